// What a fuzz target defines: libFuzzer's entry point, and the seeds it starts from, made by code so that no binary
// files lie in the tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// Always returns 0. Aborts on a broken promise.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

// Inputs that reach deep. The replay mutates them, and writes them as a corpus for the fuzzer (--write-seeds).
std::vector<std::string> FuzzSeeds();
