// Execution graphs from pickle, GML and JSON.
#include "dvren/analysis/execution_dag.h"

#include <catch2/catch.hpp>

#include "support/pickle_writer.h"

namespace dvren::analysis {
namespace {

std::string Error(const std::string& bytes) {
  const auto dag = ReadExecutionDag(bytes);
  return dag.ok() ? "accepted" : std::string(dag.status().message());
}

// The two calls of SmallExecutionDag, whatever they came in.
void CheckSmall(const absl::StatusOr<ExecutionDag>& dag, const std::string& format) {
  INFO(dag.status().message());
  REQUIRE(dag.ok());
  CHECK(dag->format == format);
  REQUIRE(dag->nodes.size() == 2);
  CHECK(dag->nodes[0].function == "nerfstudio.NeRFEncoding.forward");
  CHECK(dag->nodes[0].inputs == std::vector<TraceShape>{{8, 4, 3}});
  CHECK(dag->nodes[0].outputs == std::vector<TraceShape>{{8, 4, 63}});
  CHECK(dag->nodes[0].stage == "coarse");
  CHECK(dag->nodes[0].count == 2);
  CHECK(dag->nodes[1].stage.empty());
  CHECK(dag->nodes[1].count == 1);
  REQUIRE(dag->edges.size() == 1);
  CHECK(dag->edges[0].from == 0);
  CHECK(dag->edges[0].to == 1);
  CHECK(dag->edges[0].flows);
  CHECK_FALSE(dag->edges[0].calls);
}

TEST_CASE("A pickled DiGraph is read") {
  CheckSmall(ReadExecutionDag(SmallExecutionDag()), "pickle");
}

TEST_CASE("The same graph as GML is the same") {
  CheckSmall(ReadExecutionDag(R"t(graph [
  directed 1
  node [
    id 5
    label "NeRFEncoding.forward&#91;(8, 4, 3)-&gt;(8, 4, 63)]#1"
    func_name "nerfstudio.NeRFEncoding.forward"
    input_shapes "(8, 4, 3)"
    output_shapes "(8, 4, 63)"
    stage "coarse"
    count 2
  ]
  node [ id 7 label "MLP.forward" func_name "nerfstudio.MLP.forward" input_shapes "(8, 4, 63)" output_shapes "(8, 4, 256)" stage "None" count 1 ]
  # a comment
  edge [ source 5 target 7 sequence 1 ]
]
)t"),
             "GML");
}

TEST_CASE("The same graph in three forms of JSON is the same") {
  const std::string attributes0 =
      R"t("func_name": "nerfstudio.NeRFEncoding.forward", "input_shapes": "(8, 4, 3)", "output_shapes": "(8, 4, 63)", "stage": "coarse", "count": 2)t";
  const std::string attributes1 =
      R"t("func_name": "nerfstudio.MLP.forward", "inputs": [{"shape": [8, 4, 63], "dtype": "float32"}], "output_shapes": "(8, 4, 256)", "stage": null)t";
  CheckSmall(ReadExecutionDag(R"t({"nodes": {"a": {)t" + attributes0 + R"t(}, "b": {)t" + attributes1 +
                              R"t(}}, "edges": [["a", "b"]]})t"),
             "JSON");
  CheckSmall(ReadExecutionDag(R"t({"directed": true, "nodes": [{"id": "a", )t" + attributes0 + R"t(}, {"id": "b", )t" +
                              attributes1 + R"t(}], "links": [{"source": "a", "target": "b", "sequence": 1}]})t"),
             "JSON");
  CheckSmall(
      ReadExecutionDag(R"t({"nodes": [["a", "nerfstudio.NeRFEncoding.forward", "(8, 4, 3)", "(8, 4, 63)", "coarse", 2],
      ["b", "nerfstudio.MLP.forward", "(8, 4, 63)", "(8, 4, 256)", null, 1]], "edges": [[0, 1, {"sequence": 1}]]})t"),
      "JSON");
}

TEST_CASE("An edge of a caller to what it calls is told from one that data flows along") {
  const auto dag = ReadExecutionDag(R"t({"nodes": ["x", ["a", "f"], ["b", "g"]], "edges": []})t");
  CHECK_FALSE(dag.ok());
  const auto edges = ReadExecutionDag(
      R"t({"nodes": [["a", "f"], ["b", "g"]], "edges": [[0, 1, {"weight": 1}], [1, 0, {"weight": 2, "sequence": 1}]]})t");
  REQUIRE(edges.ok());
  CHECK((edges->edges[0].calls && !edges->edges[0].flows));
  CHECK((edges->edges[1].calls && edges->edges[1].flows));
}

TEST_CASE("A node without attributes has the function and shapes of its id") {
  const auto dag = ReadExecutionDag(R"t({"nodes": [["m.MLP.forward[(4096,),(?, 64)->no_tensors]#3"]], "edges": []})t");
  REQUIRE(dag.ok());
  CHECK(dag->nodes[0].function == "m.MLP.forward");
  CHECK(dag->nodes[0].inputs == std::vector<TraceShape>{{4096}, {kUnknownDimension, 64}});
  CHECK(dag->nodes[0].outputs.empty());
}

TEST_CASE("Shapes are tuples as Python prints them, and nothing else") {
  CHECK(ParseTraceShapes("")->empty());
  CHECK(ParseTraceShapes("None")->empty());
  CHECK(*ParseTraceShapes("()") == std::vector<TraceShape>{{}});
  CHECK(*ParseTraceShapes("(1,), (2, 3)") == std::vector<TraceShape>{{1}, {2, 3}});
  for (const char* wrong :
       {"(", "(1", "(1,", "1", "(1)(2)", "(-1,)", "(1 2)", "(1,,2)", "(99999999999999999999,)", "[1]", "(1.5,)"}) {
    INFO(wrong);
    CHECK_FALSE(ParseTraceShapes(wrong).ok());
  }
}

TEST_CASE("Attributes with values they cannot have are refused by node and name") {
  const auto with = [](const std::string& attribute) {
    return Error(R"t({"nodes": [{"id": "a", )t" + attribute + R"t(}], "edges": []})t");
  };
  CHECK(with(R"t("count": 0)t") == "node a: count = 0: must be an integer from 1 to 1099511627776");
  CHECK(with(R"t("count": 18446744073709551615)t").find("node a: count = 1.84467e+19: must be") == 0);
  CHECK(with(R"t("stage": "medium")t") == "node a: stage = medium: must be coarse, fine or None");
  CHECK(with(R"t("func_name": 4)t") == "node a: func_name = 4: must be a string");
  CHECK(with(R"t("input_shapes": "(4096")t").find("node a: input_shapes: shapes = (4096: must be tuples") == 0);
  CHECK(with(R"t("mlp_num_layers": -8)t") == "node a: mlp_num_layers = -8: must be an integer from 1 to 1099511627776");
  CHECK(with(R"t("mlp_skip_connections": "4")t") ==
        "node a: mlp_skip_connections = 4: must be a list of layers, from 0");
}

TEST_CASE("Attributes that mean nothing here are counted") {
  const auto dag = ReadExecutionDag(R"t({"nodes": [{"id": "a", "flops": 4}, {"id": "b", "flops": 5}], "edges": []})t");
  REQUIRE(dag.ok());
  CHECK(dag->ignored == std::map<std::string, std::int64_t>{{"flops", 2}});
}

TEST_CASE("Graphs that are none are refused") {
  CHECK(Error("") == "trace: is empty; give a pickle, GML or JSON");
  CHECK(Error("hello world") == "GML line 1: neither number, string nor list");
  CHECK(Error("{}") == "JSON: nodes: is missing; give an object with nodes and edges");
  CHECK(Error(R"t({"nodes": [], "edges": []})t") == "trace: has no nodes; give one that recorded calls");
  CHECK(Error(R"t({"nodes": [["a"], ["a"]], "edges": []})t") == "node = a: is there twice; keep one");
  CHECK(Error(R"t({"nodes": [["a"]], "edges": [[0, 1]]})t") == "edge: node = 1: is not there");
  CHECK(Error(R"t({"nodes": [["a"]], "edges": [[0]]})t").find("JSON: edges: each must be") == 0);
  CHECK(Error("graph [ node [ id 1 ] edge [ source 1 target 2 ] ]") ==
        "GML: edge = 1 -> 2: must join two nodes of the graph");
  CHECK(Error("graph [ node [ id 1 ").find("GML line 1: the end of the file") == 0);
  CHECK(Error("graph [ node [ label \"a\" ] ]") == "GML line 1: a node without an integer id");
  CHECK(Error("graph [ x [ x [ x [ x [ x [ x [ x [ x [").find("nested deeper than 8") != std::string::npos);
  CHECK(Error(PickleWriter().Op('N').Stop()) ==
        "pickle: must hold a networkx.DiGraph or a dict with nodes; save the graph itself");
}

TEST_CASE("A thousand edges lists that are one are counted against the limit, not followed for ever") {
  // 3000 nodes that share one dict of 3000 neighbours: nine million edges.
  PickleWriter w;
  w.Op('}').Op('(').Text("nodes").Op('}');
  for (int i = 0; i < 3000; ++i) w.Integer(i).Op('}').Op('s');
  w.Text("edges").Op('}').Integer(0).Op('}').Memoize();
  for (int i = 0; i < 3000; ++i) w.Integer(i).Op('}').Op('s');
  w.Op('s');
  for (int i = 1; i < 3000; ++i) w.Integer(i).Get(0).Op('s');
  w.Op('u');
  CHECK(Error(w.Stop()) == "trace: more than 8000000 edges; give a shorter one");
}

}  // namespace
}  // namespace dvren::analysis
