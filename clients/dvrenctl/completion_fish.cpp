#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "completion.h"

namespace dvren::ctl {
namespace {

std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
}

std::string Values(const CompletionOption& option) {
  if (!option.choices.empty()) return absl::StrCat("-a ", Quoted(absl::StrJoin(option.choices, " ")));
  if (option.is_file) return "-F";  // files, which are off otherwise
  if (option.is_field) return "-a '(__dvrenctl_fields)'";
  return "";
}

}  // namespace

std::string FishCompletion(const std::vector<CompletionNode>& tree) {
  std::set<std::string> valued;
  std::string paths, lines;
  for (const CompletionNode& node : tree) {
    const std::string here = absl::StrCat("complete -c dvrenctl -n \"__dvrenctl_at '", node.path, "'\"");
    for (const std::string& command : node.commands) {
      const std::string path = node.path.empty() ? command : node.path + " " + command;
      absl::StrAppend(&paths, "            case '", node.path, ":", command, "'\n                set path '", path,
                      "'\n");
      for (const CompletionNode& child : tree) {
        if (child.path == path) absl::StrAppend(&lines, here, " -a ", command, " -d ", Quoted(child.description), "\n");
      }
    }
    for (const CompletionOption& option : node.options) {
      absl::StrAppend(&lines, here);
      for (const std::string& name : option.names) {
        if (option.takes_value) valued.insert(Quoted(name));
        absl::StrAppend(&lines, name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1));
      }
      absl::StrAppend(&lines, option.takes_value ? (option.is_file ? " -r " : " -x ") + Values(option) : "", " -d ",
                      Quoted(option.description), "\n");
    }
    for (const CompletionOption& argument : node.arguments) {
      if (const std::string candidates = Values(argument); !candidates.empty()) {
        absl::StrAppend(&lines, here, " ", candidates, "\n");
      }
    }
  }
  return absl::StrCat(R"(# fish completion of dvrenctl. Load it with:  dvrenctl completion fish | source

function __dvrenctl_fields
    dvrenctl field list -o names 2>/dev/null
end

# Whether the words so far lead to this command.
function __dvrenctl_at
    set -l path ''
    set -l skip 0
    set -l words (commandline -opc)
    for word in $words[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case )",
                      absl::StrJoin(valued, " "), R"(
                set skip 1
                continue
            case '-*'
                continue
        end
        switch "$path:$word"
)",
                      paths, R"(        end
    end
    test "$path" = "$argv[1]"
end

complete -c dvrenctl -f
)",
                      lines);
}

}  // namespace dvren::ctl
