// How often each kernel was launched in this process, by its launch name: tests assert with it that an op ran where it
// says, and metrics may show it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace hp::cuda {

void CountLaunch(const char* name);
std::map<std::string, int64_t> LaunchCounts();

}  // namespace hp::cuda
