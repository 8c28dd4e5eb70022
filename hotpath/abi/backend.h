// Backend: what a device must do for the ABI layer. One folder below backends/ implements it.
#pragma once

#include <cstddef>
#include <memory>

#include "abi/error.h"
#include "bodies/args.h"
#include "bodies/update_args.h"
#include "fields/dense_grid_view.h"

namespace hp {

// Launch names; traces, metrics and the cost model use the same.
enum class Op {
  kRay,
  kSample,
  kIntegrate,
  kCompose,
  kFused,
  kEvaluate,
  kBackward,        // fused, recomputing
  kDiff,            // staged: integrate and compose
  kSampleBackward,  // staged: sample
  kRayBackward      // staged: ray
};

class GradientLayout;

// A step of a dense grid's values, or what is added to their gradient before it.
struct FieldUpdate {
  const DenseGridView* grid = nullptr;
  const GradientLayout* layout = nullptr;
  void* gradient = nullptr;  // the backend's
  double quantum = 1;
  int half_storage = 0;     // 1: the grid's values are f16
  void* moments = nullptr;  // the backend's
  UpdateArgs args;          // of a smoothing, `rates` are the weights
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual hp_status GetInfo(hp_ctx_info* out) const = 0;
  // The device gives nothing but DEVICE_ERROR any more.
  virtual bool Failed() const { return false; }
  // The backend's own stream; nullptr is valid where there is nothing to hold.
  virtual hp_status CreateStream(void** out) = 0;
  virtual void DestroyStream(void* stream) = 0;
  virtual hp_status Synchronize(void* stream) = 0;
  // What other streams of this device have been given so far comes before what this one is given next.
  virtual hp_status WaitForAll(void* /*stream*/) { return HP_STATUS_OK; }
  virtual hp_status Allocate(void* stream, size_t bytes, void** out) = 0;
  virtual hp_status Free(void* stream, void* data) = 0;
  virtual hp_status Copy(void* stream, void* destination, const void* source, size_t bytes, hp_copy_kind kind) = 0;
  // Runs an op over a checked job. `counters`: device array of HP_COUNTER_COUNT, may be null.
  virtual hp_status Launch(void* stream, Op op, hp_precision precision, const Job& job, int64_t* counters) = 0;
  // Sums of a field's gradient, all zero.
  virtual hp_status CreateGradient(void* stream, const GradientLayout& layout, void** out) = 0;
  virtual void DestroyGradient(void* gradient) = 0;
  virtual hp_status ZeroGradient(void* stream, void* gradient) = 0;
  // Fills in blocks, bytes and whether it has overflowed. Waits for work on the gradient.
  virtual hp_status InspectGradient(void* gradient, hp_gradient_info* out) const = 0;
  // Writes the sums times 2^exponent to device memory in the layout's shape, f32 or f64.
  virtual hp_status ReadGradient(void* stream, void* gradient, const GradientLayout& layout, int exponent,
                                 hp_dtype dtype, void* out) = 0;
  // The other way, into a gradient that is all zero. Marks it as overflowed when a value is not finite or too large.
  virtual hp_status WriteGradient(void* /*stream*/, void* /*gradient*/, const GradientLayout&, int /*exponent*/,
                                  hp_dtype, const void* /*values*/) {
    return NoTraining();
  }
  // Moments of an optimizer for a field's values, all zero, with f32 masters behind them where the values are f16;
  // moments and steps are what UpdateField and so on take.
  virtual hp_status CreateMoments(const GradientLayout&, int32_t /*rule*/, bool /*masters*/, void**) {
    return NoTraining();
  }
  virtual void DestroyMoments(void*) {}
  virtual hp_status InspectMoments(const void*, hp_moments_info*) const { return NoTraining(); }
  virtual hp_status ReadMoments(void* /*stream*/, const void*, int64_t* /*blocks*/, float* /*values*/) {
    return NoTraining();
  }
  virtual hp_status WriteMoments(void* /*stream*/, void*, const int64_t* /*blocks*/, const float* /*values*/, int64_t) {
    return NoTraining();
  }
  virtual hp_status UpdateField(void* /*stream*/, const FieldUpdate&, int64_t* /*voxels*/) { return NoTraining(); }
  // Host memory.
  virtual hp_status UpdateArray(const UpdateArgs&, int64_t /*n*/, double* /*values*/, const double* /*gradient*/,
                                double* /*moments*/) {
    return NoTraining();
  }
  virtual hp_status SmoothGradient(void* /*stream*/, const FieldUpdate&) { return NoTraining(); }
  virtual hp_status RefineMask(void* /*stream*/, const DenseGridMaskedView&, int /*half_storage*/, uint8_t* /*ages*/,
                               double /*raw*/, int32_t /*window*/, int64_t* /*there*/) {
    return NoTraining();
  }
  // The most segments of any of the job's rays. Waits for the stream.
  virtual hp_status MaxCount(void* stream, hp_precision precision, const Job& job, int64_t* out) = 0;
  // Capture and replay. *graph: null, or one that is updated if that will do.
  virtual hp_status BeginCapture(void* /*stream*/) { return NoGraphs("hp_graph_begin_capture"); }
  virtual hp_status EndCapture(void* /*stream*/, void** /*graph*/) { return NoGraphs("hp_graph_end_capture"); }
  virtual hp_status LaunchGraph(void* /*stream*/, void* /*graph*/) { return NoGraphs("hp_graph_launch"); }
  virtual void DestroyGraph(void* /*graph*/) {}

 private:
  static hp_status NoTraining() {
    return Fail(HP_STATUS_NOT_IMPLEMENTED, "training: this device does not train fields");
  }
  static hp_status NoGraphs(const char* call) {
    return Fail(HP_STATUS_UNSUPPORTED, "%s: this device captures no graphs", call);
  }
};

// One per backend folder: creates the backend, or says why not.
using BackendFactory = hp_status (*)(const hp_ctx_desc& desc, std::unique_ptr<Backend>* out);
using DeviceCounter = int32_t (*)();

}  // namespace hp
