#include <CLI/CLI.hpp>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "completion.h"

namespace dvren::ctl {
namespace {

// The type's name tells: "a|b" are choices, FILE and FIELD what they say.
CompletionOption Describe(const CLI::Option& option) {
  CompletionOption result;
  for (const std::string& name : option.get_lnames()) result.names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) result.names.push_back("-" + name);
  if (result.names.empty()) result.names.push_back(option.get_name(true));
  result.description = option.get_description();
  result.takes_value = option.get_items_expected_max() > 0;
  result.many = option.get_items_expected_max() > 1;
  const std::string type = option.get_type_name();
  if (type.find('|') != std::string::npos) result.choices = absl::StrSplit(type, '|');
  result.is_file = type == "FILE";
  result.is_field = type == "FIELD";
  return result;
}

void AddNode(const CLI::App& app, const std::string& path, std::vector<CompletionOption> global,
             std::vector<CompletionNode>& tree) {
  CompletionNode node{path, app.get_name(), app.get_description(), {}, {}, {}};
  std::vector<CompletionOption> own;
  for (const CLI::Option* option : app.get_options()) {
    (option->get_positional() ? node.arguments : own).push_back(Describe(*option));
  }
  node.options = own;
  for (const CompletionOption& option : global) {
    const bool is_there =
        std::any_of(own.begin(), own.end(), [&](const CompletionOption& o) { return o.names == option.names; });
    if (!is_there) node.options.push_back(option);
  }
  const auto commands = app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
  for (const CLI::App* command : commands) node.commands.push_back(command->get_name());
  global = node.options;
  tree.push_back(std::move(node));
  for (const CLI::App* command : commands) {
    AddNode(*command, path.empty() ? command->get_name() : path + " " + command->get_name(), global, tree);
  }
}

}  // namespace

std::vector<CompletionNode> CompletionTree(const CLI::App& app) {
  std::vector<CompletionNode> tree;
  AddNode(app, "", {}, tree);
  return tree;
}

}  // namespace dvren::ctl
