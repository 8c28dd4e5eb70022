#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "completion.h"

namespace dvren::ctl {
namespace {

// The command that fills COMPREPLY for one value.
std::string Candidates(const CompletionOption& option) {
  if (!option.choices.empty()) return absl::StrCat("_dvrenctl_words '", absl::StrJoin(option.choices, " "), "'");
  if (option.is_file) return "_dvrenctl_files";
  if (option.is_field) return "_dvrenctl_words \"$(_dvrenctl_fields)\"";
  return ":";
}

}  // namespace

std::string BashCompletion(const std::vector<CompletionNode>& tree) {
  std::set<std::string> valued;
  std::string paths, values, options, arguments;
  for (const CompletionNode& node : tree) {
    for (const std::string& command : node.commands) {
      absl::StrAppend(&paths, "      '", node.path, ":", command, "') path='", node.path, node.path.empty() ? "" : " ",
                      command, "'; argument=0 ;;\n");
    }
    std::string names;
    for (const CompletionOption& option : node.options) {
      for (const std::string& name : option.names) {
        absl::StrAppend(&names, names.empty() ? "" : " ", name);
        if (!option.takes_value) continue;
        valued.insert(name);
        absl::StrAppend(&values, "      '", node.path, ":", name, "') ", Candidates(option), "; return ;;\n");
      }
    }
    absl::StrAppend(&options, "      '", node.path, "') _dvrenctl_words '", names, "' ;;\n");
    if (!node.commands.empty()) {
      absl::StrAppend(&arguments, "    '", node.path, ":'*) _dvrenctl_words '", absl::StrJoin(node.commands, " "),
                      "' ;;\n");
    }
    for (std::size_t i = 0; i < node.arguments.size(); ++i) {
      absl::StrAppend(&arguments, "    '", node.path, ":'", node.arguments[i].many ? "*" : absl::StrCat(i), ") ",
                      Candidates(node.arguments[i]), " ;;\n");
    }
  }
  return absl::StrCat(R"(# bash completion of dvrenctl. Load it with:  source <(dvrenctl completion bash)

_dvrenctl_fields() { dvrenctl field list -o names 2>/dev/null; }
_dvrenctl_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "${COMP_WORDS[COMP_CWORD]}"); }
_dvrenctl_files() { compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"); }

_dvrenctl() {
  local current="${COMP_WORDS[COMP_CWORD]}" previous='' path='' argument=0 word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    word="${COMP_WORDS[i]}"
    case "$previous" in
      )",
                      absl::StrJoin(valued, "|"), R"() previous=''; continue ;;
    esac
    previous="$word"
    case "$word" in -*) continue ;; esac
    case "$path:$word" in
)",
                      paths, R"(      *) argument=$((argument + 1)) ;;
    esac
  done
  case "$path:$previous" in
)",
                      values, R"(  esac
  case "$current" in -*)
    case "$path" in
)",
                      options, R"(    esac
    return ;;
  esac
  case "$path:$argument" in
)",
                      arguments, R"(  esac
}
complete -F _dvrenctl dvrenctl
)");
}

}  // namespace dvren::ctl
