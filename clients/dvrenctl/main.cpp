#include <exception>
#include <iostream>

#include "command_line.h"
#include "exit_codes.h"

int main(int argc, char** argv) {
  try {
    return dvren::ctl::RunCommandLine(std::vector<std::string>(argv + 1, argv + argc), std::cerr);
  } catch (const std::exception& error) {  // out of memory
    std::cerr << "dvrenctl: " << error.what() << "\n";
    return dvren::ctl::kExitFailed;
  }
}
