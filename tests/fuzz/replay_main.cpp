// Runs a fuzz target without a fuzzer: its seeds, the files named on the command line, and N deterministic mutations.
//   fuzz_x [N] [FILE…]          N defaults to 1000
//   fuzz_x --write-seeds FOLDER  writes the seeds as a corpus for libFuzzer
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "fuzz_target.h"

namespace {

void Run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::size_t Below(std::size_t n) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::size_t>(state_ >> 33) % n;
  }

 private:
  std::uint64_t state_;
};

std::string Mutate(std::string input, Random& random) {
  const std::size_t changes = 1 + random.Below(4);
  for (std::size_t i = 0; i < changes; ++i) {
    if (input.empty()) return std::string(1, static_cast<char>(random.Below(256)));
    const std::size_t at = random.Below(input.size());
    switch (random.Below(6)) {
      case 0:
        input[at] = static_cast<char>(input[at] ^ 1 << random.Below(8));
        break;
      case 1:
        input[at] = static_cast<char>(random.Below(256));
        break;
      case 2:
        input.insert(at, 1 + random.Below(8), static_cast<char>(random.Below(256)));
        break;
      case 3:
        input.erase(at, 1 + random.Below(8));
        break;
      case 4:
        input.resize(at);
        break;
      default: {  // a copied stretch
        const std::string piece = input.substr(at, 1 + random.Below(16));
        input.insert(random.Below(input.size()), piece);
      }
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> seeds = FuzzSeeds();
  if (argc == 3 && std::string(argv[1]) == "--write-seeds") {
    for (std::size_t i = 0; i < seeds.size(); ++i) {
      std::ofstream file(std::string(argv[2]) + "/seed-" + std::to_string(i), std::ios::binary);
      file.write(seeds[i].data(), static_cast<std::streamsize>(seeds[i].size()));
      if (!file) {
        std::fprintf(stderr, "%s: cannot write the seeds\n", argv[2]);
        return 1;
      }
    }
    return 0;
  }
  const long runs = argc > 1 ? std::atol(argv[1]) : 1000;
  for (const std::string& seed : seeds) Run(seed);
  for (int i = 2; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    Run({std::istreambuf_iterator<char>(file), {}});
  }
  Random random(1);
  for (long i = 0; i < runs; ++i) Run(Mutate(seeds[random.Below(seeds.size())], random));
  std::printf("%zu seeds, %d files, %ld mutations\n", seeds.size(), std::max(0, argc - 2), runs);
  return 0;
}
