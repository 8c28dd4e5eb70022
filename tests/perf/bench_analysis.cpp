// How long the cost model takes over a long trace: a pickled graph of 100,000 calls, read, turned into operators,
// scheduled on an accelerator and validated. Prints seconds of each step and the peak of memory.
//   dvren_analysis_bench [OPERATORS]
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "dvren/analysis/graph_tasks.h"
#include "dvren/analysis/schedule.h"
#include "dvren/analysis/trace_import.h"
#include "support/pickle_writer.h"

namespace {

using dvren::analysis::PickleWriter;

// Encoding, network, density head and renderer of one chunk of rays after another.
std::string Calls(std::int64_t count) {
  struct Call {
    const char *function, *inputs, *outputs;
  };
  static constexpr Call kCalls[] = {
      {"nerfstudio.field_components.encodings.NeRFEncoding.forward", "(4096, 64, 3)", "(4096, 64, 63)"},
      {"nerfstudio.field_components.mlp.MLP.forward", "(4096, 64, 63)", "(4096, 64, 256)"},
      {"nerfstudio.field_components.field_heads.DensityFieldHead.forward", "(4096, 64, 256)", "(4096, 64, 1)"},
      {"nerfstudio.model_components.renderers.RGBRenderer.forward", "(4096, 64, 3),(4096, 64, 1)", "(4096, 3)"}};
  PickleWriter w;
  w.Class("networkx.classes.digraph", "DiGraph").Op(')').Op('\x81').Op('}');
  w.Text("_node").Op('}');
  for (std::int64_t i = 0; i < count; ++i) {
    const Call& call = kCalls[i % 4];
    w.Text(std::string(call.function) + "[" + call.inputs + "->" + call.outputs + "]#" + std::to_string(i)).Memoize();
    w.Op('}').Op('(').Text("func_name").Text(call.function).Text("input_shapes").Text(call.inputs);
    w.Text("output_shapes").Text(call.outputs).Text("stage").Text("coarse").Text("count").Integer(1).Op('u').Op('s');
  }
  w.Op('s').Text("_adj").Op('}');
  for (std::int64_t i = 0; i + 1 < count; ++i) {
    w.Get(static_cast<std::uint64_t>(i))
        .Op('}')
        .Get(static_cast<std::uint64_t>(i + 1))
        .Op('}')
        .Text("sequence")
        .Integer(1);
    w.Op('s').Op('s').Op('s');
  }
  return w.Op('s').Op('b').Stop();
}

class Laps {
 public:
  void Lap(const char* step) {
    const auto now = std::chrono::steady_clock::now();
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    std::printf("%-10s %8.3f s   peak %5ld MB\n", step, std::chrono::duration<double>(now - last_).count(),
                usage.ru_maxrss / 1024);
    last_ = now;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

template <class T>
T Must(absl::StatusOr<T> result) {
  if (result.ok()) return *std::move(result);
  std::fprintf(stderr, "%s\n", std::string(result.status().message()).c_str());
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace dvren::analysis;
  const std::int64_t operators = argc > 1 ? std::atoll(argv[1]) : 100'000;
  const Hardware hardware = Must(ReadHardware(std::string(DVREN_SOURCE_DIR) + "/configs/hardware/icarus.json"));
  std::string bytes = Calls(operators);
  std::printf("%lld calls, %.1f MB\n", static_cast<long long>(operators), 1e-6 * static_cast<double>(bytes.size()));
  Laps laps;
  ExecutionDag dag = Must(ReadExecutionDag(std::move(bytes)));
  laps.Lap("read");
  const ImportedTrace trace = Must(ImportExecutionDag(dag, BuiltinOperators(), Mode::kCorrected));
  laps.Lap("import");
  const TaskGraph tasks = Must(TasksOf(trace.graph, hardware));
  laps.Lap("tasks");
  const Schedule schedule = Must(ScheduleTasks(tasks, hardware));
  laps.Lap("schedule");
  const absl::Status valid = ValidateSchedule(tasks, hardware, schedule);
  laps.Lap("validate");
  std::printf("%zu operators in %zu parts: %g s, at least %g s\n", tasks.tasks.size(), schedule.entries.size(),
              schedule.makespan_s, schedule.bounds.best_s());
  return valid.ok() ? 0 : 1;
}
