#include "dvren/analysis/graph_tasks.h"

#include <algorithm>
#include <unordered_map>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace dvren::analysis {
namespace {

bool Lists(const HardwareUnit& unit, const OperatorNode& node) {
  const auto lists = [&](const std::string& name) {
    return std::find(unit.operators.begin(), unit.operators.end(), name) != unit.operators.end();
  };
  return lists(node.label) || lists(node.op_type);
}

// The unit that lists the operator, or null.
const HardwareUnit* UnitOf(const OperatorNode& node, const Hardware& hardware) {
  const auto found =
      std::find_if(hardware.units.begin(), hardware.units.end(), [&](const auto& unit) { return Lists(unit, node); });
  return found == hardware.units.end() ? nullptr : &*found;
}

double Bytes(const Count& elements, int bits) {
  return elements.real() * bits / 8;
}

// Entries of a table: what its traffic is by the bytes of one.
double Gathers(const OperatorNode& node) {
  const auto features = node.parameters.find("features_per_level");
  const std::int64_t* values =
      features == node.parameters.end() ? nullptr : std::get_if<std::int64_t>(&features->second);
  const double entry_bytes = (values == nullptr ? 1.0 : static_cast<double>(*values)) * node.bits / 8;
  return (node.work.gather_bytes.real() + node.work.scatter_bytes.real()) / entry_bytes;
}

// What `node` adds to a task, its tensors aside.
absl::Status AddWork(const OperatorNode& node, Task* task) {
  DVREN_RETURN_IF_ERROR(node.work.Check(node.label));
  const WorkCount& work = node.work;
  double samples = 1;
  for (const Count& extent : node.dims) samples *= extent.real();
  const auto add = [&](WorkMeasure measure, double amount) { task->work[static_cast<std::size_t>(measure)] += amount; };
  add(WorkMeasure::kFma, work.fma.real());
  add(WorkMeasure::kAdd, work.add.real());
  add(WorkMeasure::kMul, work.mul.real());
  add(WorkMeasure::kSpecial, work.special.real());
  add(WorkMeasure::kInteger, work.integer.real());
  add(WorkMeasure::kCompare, work.compare.real());
  add(WorkMeasure::kOperations, work.Operations().real());
  add(WorkMeasure::kGathers, Gathers(node));
  add(WorkMeasure::kSamples, samples);
  add(WorkMeasure::kOutputs, node.output.real());
  const double table_traffic = work.gather_bytes.real() + 2 * work.scatter_bytes.real();  // an update reads and writes
  if (table_traffic > 0) {
    task->table_bytes += Bytes(node.input_w, node.bits);
    task->table_traffic_bytes += table_traffic;
  } else {
    task->parameter_bytes += work.ParameterBytes().real();
  }
  return absl::OkStatus();
}

class TaskBuilder {
 public:
  TaskBuilder(const OperatorGraph& graph, const Hardware& hardware) : graph_(graph), hardware_(hardware) {}

  absl::StatusOr<TaskGraph> Run() {
    if (graph_.mode != Mode::kCorrected) {
      return InvalidField("graph: mode", ToString(graph_.mode),
                          "must be corrected; reference graphs have schedules of their own");
    }
    DVREN_RETURN_IF_ERROR(graph_.CheckEdges());
    tasks_.name = graph_.name;
    for (const OperatorNode& node : graph_.nodes) {
      Ends ends;
      ends.first = static_cast<std::uint32_t>(tasks_.tasks.size());
      DVREN_RETURN_IF_ERROR(AddNode(node));
      ends.last = static_cast<std::uint32_t>(tasks_.tasks.size() - 1);
      ends.node = &node;
      ends_[node.id] = ends;
    }
    AddEdges();
    return std::move(tasks_);
  }

 private:
  struct Ends {
    std::uint32_t first = 0, last = 0;  // tasks of the node
    const OperatorNode* node = nullptr;
    double in_bytes = 0, out_bytes = 0;  // of edges; of the largest edge out
  };

  absl::Status AddNode(const OperatorNode& node) {
    const bool whole = node.parts.empty() || UnitOf(node, hardware_) != nullptr ||
                       !std::all_of(node.parts.begin(), node.parts.end(),
                                    [&](const auto& part) { return UnitOf(part, hardware_) != nullptr; });
    if (whole) {
      tasks_.tasks.push_back(NewTask(node, node));
      return AddWork(node, &tasks_.tasks.back());
    }
    const HardwareUnit* unit = nullptr;
    const OperatorNode* before = nullptr;
    for (const OperatorNode& part : node.parts) {
      const HardwareUnit* next = UnitOf(part, hardware_);
      if (next != unit) {
        tasks_.tasks.push_back(NewTask(node, part));
        const auto task = static_cast<std::uint32_t>(tasks_.tasks.size() - 1);
        if (before != nullptr) tasks_.edges.push_back({task - 1, task, Bytes(before->output, before->bits)});
      }
      DVREN_RETURN_IF_ERROR(AddWork(part, &tasks_.tasks.back()));
      unit = next;
      before = &part;
    }
    return absl::OkStatus();
  }

  static Task NewTask(const OperatorNode& node, const OperatorNode& part) {
    Task task;
    task.name = absl::StrFormat("n%02d %s", node.id, part.label);
    task.op_type = part.op_type;
    task.label = part.label;
    task.space =
        absl::StrJoin(node.dims, "x", [](std::string* out, const Count& extent) { out->append(extent.ToString()); });
    return task;
  }

  void AddEdges() {
    for (const OperatorEdge& edge : graph_.edges) {
      Ends &from = ends_[edge.from], &to = ends_[edge.to];
      const double bytes = Bytes(edge.elements, from.node->bits);
      tasks_.edges.push_back({from.last, to.first, bytes});
      from.out_bytes = std::max(from.out_bytes, bytes);
      to.in_bytes += bytes;
    }
    // Streams that no edge accounts for come from memory and go there.
    for (auto& [id, ends] : ends_) {
      tasks_.tasks[ends.first].read_bytes = std::max(0.0, ends.node->work.stream_read_bytes.real() - ends.in_bytes);
      tasks_.tasks[ends.last].write_bytes = std::max(0.0, ends.node->work.stream_write_bytes.real() - ends.out_bytes);
      if (ends.first == ends.last) continue;
      // A composite in several tasks passes its inner tensors along edges.
      tasks_.tasks[ends.first].read_bytes = std::max(0.0, Bytes(ends.node->input_a, ends.node->bits) - ends.in_bytes);
      tasks_.tasks[ends.last].write_bytes = std::max(0.0, Bytes(ends.node->output, ends.node->bits) - ends.out_bytes);
    }
  }

  const OperatorGraph& graph_;
  const Hardware& hardware_;
  TaskGraph tasks_;
  std::unordered_map<int, Ends> ends_;  // by id of the node
};

absl::StatusOr<std::int64_t> Elements(const Count& count, const OperatorNode& node, const char* what) {
  DVREN_RETURN_IF_ERROR(count.Check(node.label, what));
  return count.exact() ? count.integer() : static_cast<std::int64_t>(count.real());
}

absl::StatusOr<ReferenceTaskGraph> ReferenceTasks(const OperatorGraph& graph, bool trace) {
  if (graph.mode != Mode::kReference) {
    return InvalidField("graph: mode", ToString(graph.mode), "must be reference");
  }
  DVREN_RETURN_IF_ERROR(graph.CheckEdges());
  ReferenceTaskGraph result;
  std::unordered_map<int, std::uint32_t> place;
  for (const OperatorNode& node : graph.nodes) {
    Count inputs = node.input_a;
    if (!trace && !node.input_shapes.empty()) {
      inputs = 0;
      for (const std::vector<Count>& shape : node.input_shapes) {
        Count product = 1;
        for (const Count& extent : shape) product = product * extent;
        inputs += product;
      }
    }
    ReferenceTask task;
    place[node.id] = static_cast<std::uint32_t>(result.tasks.size());
    task.id = trace ? absl::StrCat("op_", result.tasks.size()) : absl::StrFormat("n%02d", node.id);
    task.label = trace ? ReferenceTaxonomy(node.class_name) : node.label;
    DVREN_ASSIGN_OR_RETURN(task.inputs, Elements(inputs, node, "inputs"));
    DVREN_ASSIGN_OR_RETURN(task.outputs, Elements(node.output, node, "output"));
    result.tasks.push_back(std::move(task));
  }
  for (const OperatorEdge& edge : graph.edges) result.edges.emplace_back(place[edge.from], place[edge.to]);
  return result;
}

}  // namespace

absl::StatusOr<TaskGraph> TasksOf(const OperatorGraph& graph, const Hardware& hardware) {
  return TaskBuilder(graph, hardware).Run();
}

absl::StatusOr<ReferenceTaskGraph> ReferencePipelineTasks(const OperatorGraph& graph) {
  return ReferenceTasks(graph, false);
}

absl::StatusOr<ReferenceTaskGraph> ReferenceTraceTasks(const OperatorGraph& graph) {
  return ReferenceTasks(graph, true);
}

std::string ReferenceTaxonomy(absl::string_view class_name) {
  static constexpr std::pair<absl::string_view, absl::string_view> kWords[] = {{"Sampl", "SAMPLING"},
                                                                               {"Cull", "SAMPLING"},
                                                                               {"Encoding", "ENCODING"},
                                                                               {"Hash", "ENCODING"},
                                                                               {"RFF", "ENCODING"},
                                                                               {"MLP", "FIELD_COMPUTATION"},
                                                                               {"Network", "FIELD_COMPUTATION"},
                                                                               {"Field", "FIELD_COMPUTATION"},
                                                                               {"Density", "FIELD_COMPUTATION"},
                                                                               {"Color", "FIELD_COMPUTATION"},
                                                                               {"Render", "BLENDING"},
                                                                               {"Blend", "BLENDING"}};
  for (const auto& [word, kind] : kWords) {
    if (absl::StrContains(class_name, word)) return std::string(kind);
  }
  return "FIELD_COMPUTATION";
}

}  // namespace dvren::analysis
