// MLP: fully connected layers.
#pragma once

#include <algorithm>

#include "analysis/operators/figures.h"

namespace dvren::analysis {

class Mlp : public Operator {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = {
        .class_name = "MLPOperator",
        .op_type = "MLP",
        .category = Category::kFieldCompute,
        .metric = "FLOPs",
        .parameters = {RequiredInteger("in_dim", "inputs"), RequiredInteger("num_layers", "layers, the last included"),
                       RequiredInteger("layer_width", "outputs of a hidden layer"),
                       Optional(PositiveInteger("out_dim", 1, "outputs; layer_width when unset")), SkipConnections(),
                       Text("activation", "ReLU", "of hidden layers; changes no figure"),
                       Optional(Text("out_activation", "", "of the outputs: None, ReLU or one special function each")),
                       Text("implementation", "torch", "changes no figure"),
                       Flag("use_bias", true, "layers have biases"), ActiveRatio(),
                       CorrectedOnly(
                           Flag("fused", true, "hidden activations stay on chip; else each is written and read")),
                       CorrectedOnly(Flag("save_activations", false,
                                          "forward of a training step: hidden activations are "
                                          "written for backward")),
                       CorrectedOnly(Flag("input_gradient", true, "backward: the gradient of the inputs as well"))},
        .backward_ratio_low = 1,
        .backward_ratio_high = 2.5};
    return info;
  }
  ReferenceFigures Reference(const OperatorCase& c) const override {
    const Network network = Layers(c.parameters);
    const Count parameters = network.weights + (c.parameters.Bool("use_bias") ? network.outputs : Count(0));
    ReferenceFigures figures = FromShapes({{c.rays, c.samples, network.in}, {parameters}},
                                          {c.rays, c.samples, network.out}, 2 * c.total_samples * network.weights);
    figures.backward_num_ops = 4 * c.total_samples * network.weights;
    figures.backward_tensors = {figures.output, figures.input_w, figures.input_a};
    return figures;
  }
  CorrectedFigures Corrected(const OperatorCase& c) const override {
    const Network network = Layers(c.parameters);
    const Count samples = ActiveSamples(c);
    const bool bias = c.parameters.Bool("use_bias");
    const Count parameters = network.weights + (bias ? network.outputs : Count(0));
    const Count hidden = (network.outputs - network.out) * samples;
    const Count in = network.in * samples, out = network.out * samples;
    const bool fused = c.parameters.Bool("fused");
    const bool save = c.parameters.Bool("save_activations");
    CorrectedFigures figures;
    if (!c.backward) {
      figures = Streams(c, in, out + (save ? hidden : Count(0)));
      figures.work.fma = network.weights * samples;
      figures.work.compare = hidden;
      if (HasSpecialOutput(c.parameters)) figures.work.special = out;
      if (!fused) {
        figures.work.stream_read_bytes += c.Bytes(hidden);
        if (!save) figures.work.stream_write_bytes += c.Bytes(hidden);
        figures.work.footprint_bytes += save ? Count(0) : c.Bytes(hidden);
      }
      figures.formulas = {{"mlp.forward",
                           "sum over layers of in·out fma per sample, biases start the sums, 1 compare per "
                           "hidden unit (ReLU); fused: inputs, outputs and parameters once"}};
    } else {
      const bool input_gradient = c.parameters.Bool("input_gradient");
      figures = Streams(c, in + hidden + out, parameters + (input_gradient ? in : Count(0)));
      figures.work.stream_write_bytes = input_gradient ? c.Bytes(in) : Count(0);
      figures.work.parameter_write_bytes = c.Bytes(parameters);
      const Count to_inputs = network.weights - (input_gradient ? Count(0) : network.first_weights);
      figures.work.fma = (network.weights + to_inputs) * samples;
      if (bias) figures.work.add = network.outputs * samples;
      figures.work.compare = hidden;
      if (HasSpecialOutput(c.parameters)) figures.work.mul = 2 * out;
      if (!fused) {
        figures.work.stream_read_bytes += c.Bytes(hidden);
        figures.work.stream_write_bytes += c.Bytes(hidden);
      }
      figures.formulas = {{"mlp.backward",
                           "dL/dX = dL/dY·W: in·out fma per layer and sample (without the first layer's "
                           "where input_gradient is off); dL/dW = X^T·dL/dY: in·out fma; dL/db: 1 add per "
                           "output; activations kept from forward are read once"}};
    }
    figures.input_w = parameters;
    figures.work.parameter_read_bytes = c.Bytes(parameters);
    figures.work.footprint_bytes += c.Bytes(parameters);
    return figures;
  }

 private:
  struct Network {
    Count in;
    Count out;
    Count weights;        // sum of in·out
    Count first_weights;  // of the layers that read the input: the first and the skips
    Count outputs;        // sum of out
  };

  static ParameterSpec SkipConnections() {
    ParameterSpec skips;
    skips.name = "skip_connections";
    skips.type = ParameterSpec::Type::kIntegers;
    skips.optional = true;
    skips.least = 0;
    skips.meaning = "hidden layers that read the input again; the first and the last are none of them";
    return skips;
  }

  static bool HasSpecialOutput(const Parameters& parameters) {
    if (!parameters.IsSet("out_activation")) return false;
    const std::string& activation = parameters.Text("out_activation");
    return activation != "None" && activation != "ReLU" && !activation.empty();
  }

  // One layer: (in, out). More: (in, width), then num_layers - 2 of (width + in where skipped, width), then (width,
  // out).
  static Network Layers(const Parameters& parameters) {
    const Count width = parameters.Integer("layer_width");
    const std::int64_t layers = parameters.Integer("num_layers");
    Network network;
    network.in = parameters.Integer("in_dim");
    network.out = parameters.IsSet("out_dim") ? Count(parameters.Integer("out_dim")) : width;
    if (layers == 1) {
      network.weights = network.first_weights = network.in * network.out;
      network.outputs = network.out;
      return network;
    }
    Count skips = 0;
    if (parameters.IsSet("skip_connections")) {
      std::vector<std::int64_t> indices = parameters.Integers("skip_connections");
      std::sort(indices.begin(), indices.end());
      indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
      for (const std::int64_t index : indices) skips += index >= 1 && index <= layers - 2 ? 1 : 0;
    }
    const Count hidden = layers - 2;
    network.first_weights = network.in * width * (1 + skips);
    network.weights = network.first_weights + hidden * width * width + width * network.out;
    network.outputs = (layers - 1) * width + network.out;
    return network;
  }
};

}  // namespace dvren::analysis
