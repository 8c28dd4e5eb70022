// Completion scripts for shells, made from the tree of commands itself, so that they cannot differ from it.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace dvren::ctl {

// One option or argument, as completion sees it.
struct CompletionOption {
  std::vector<std::string> names;  // "--out", "-o"; of an argument: its name in the help
  std::string description;
  bool takes_value = false;
  bool many = false;                 // an argument that may be repeated
  std::vector<std::string> choices;  // of the value
  bool is_file = false, is_field = false;
};

// One command: its path ("" is dvrenctl itself, "field import"), what may follow it.
struct CompletionNode {
  std::string path, name, description;
  std::vector<std::string> commands;        // names of the subcommands
  std::vector<CompletionOption> options;    // the global ones included
  std::vector<CompletionOption> arguments;  // in order
};

// Every command of the tree, parents first.
[[nodiscard]] std::vector<CompletionNode> CompletionTree(const CLI::App& app);

[[nodiscard]] std::string BashCompletion(const std::vector<CompletionNode>& tree);
[[nodiscard]] std::string ZshCompletion(const std::vector<CompletionNode>& tree);
[[nodiscard]] std::string FishCompletion(const std::vector<CompletionNode>& tree);

}  // namespace dvren::ctl
