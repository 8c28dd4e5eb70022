#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "completion.h"

namespace dvren::ctl {
namespace {

// Text inside '…' of a specification of _arguments.
std::string Escaped(const std::string& text) {
  return absl::StrReplaceAll(text,
                             {{"'", "'\\''"}, {"[", "\\["}, {"]", "\\]"}, {":", "\\:"}, {"\\", "\\\\"}, {"`", "\\`"}});
}

std::string Action(const CompletionOption& option) {
  if (!option.choices.empty()) return absl::StrCat("(", absl::StrJoin(option.choices, " "), ")");
  if (option.is_file) return "_files";
  if (option.is_field) return "_dvrenctl_fields";
  return " ";
}

std::string Function(const std::string& path) {
  return path.empty() ? "_dvrenctl" : "_dvrenctl_" + absl::StrReplaceAll(path, {{" ", "_"}, {"-", "_"}});
}

}  // namespace

std::string ZshCompletion(const std::vector<CompletionNode>& tree) {
  std::string functions;
  for (const CompletionNode& node : tree) {
    absl::StrAppend(&functions, Function(node.path), "() {\n");
    if (!node.commands.empty()) functions += "  local context state line\n  typeset -A opt_args\n";
    functions += "  _arguments -s -C";
    for (const CompletionOption& option : node.options) {
      for (const std::string& name : option.names) {
        absl::StrAppend(&functions, " \\\n    '", name, "[", Escaped(option.description), "]",
                        option.takes_value ? absl::StrCat(":value:", Action(option)) : "", "'");
      }
    }
    for (std::size_t i = 0; i < node.arguments.size(); ++i) {
      const CompletionOption& argument = node.arguments[i];
      absl::StrAppend(&functions, " \\\n    '", argument.many ? "*" : absl::StrCat(i + 1), ":",
                      Escaped(argument.names[0]), ":", Action(argument), "'");
    }
    if (node.commands.empty()) {
      functions += "\n}\n\n";
      continue;
    }
    functions +=
        " \\\n    '1:command:->command' '*::argument:->argument'\n  case $state in\n    command)\n      local -a "
        "commands\n      commands=(";
    for (const std::string& command : node.commands) {
      const std::string path = node.path.empty() ? command : node.path + " " + command;
      for (const CompletionNode& child : tree) {
        if (child.path == path)
          absl::StrAppend(&functions, "\n        '", command, ":", Escaped(child.description), "'");
      }
    }
    functions += ")\n      _describe command commands ;;\n    argument)\n      case $line[1] in\n";
    for (const std::string& command : node.commands) {
      const std::string path = node.path.empty() ? command : node.path + " " + command;
      absl::StrAppend(&functions, "        ", command, ") ", Function(path), " ;;\n");
    }
    functions += "      esac ;;\n  esac\n}\n\n";
  }
  return absl::StrCat(R"zsh(#compdef dvrenctl
# zsh completion of dvrenctl. Load it with:  source <(dvrenctl completion zsh)
# or write it as _dvrenctl into a folder of $fpath.

_dvrenctl_fields() {
  local -a fields
  fields=(${(f)"$(dvrenctl field list -o names 2>/dev/null)"})
  compadd -a fields
}

)zsh",
                      functions, R"zsh(if [ "$funcstack[1]" = "_dvrenctl" ]; then
  _dvrenctl "$@"
else
  compdef _dvrenctl dvrenctl
fi
)zsh");
}

}  // namespace dvren::ctl
