// Contexts, streams, device memory, graphs.
#include "abi/error.h"
#include "abi/objects.h"

namespace hp {

#define HP_BACKEND(device, name)                                                             \
  hp_status Create_##name##_backend(const hp_ctx_desc& desc, std::unique_ptr<Backend>* out); \
  int32_t Count_##name##_devices();
#include "hotpath_backends.inc"
#undef HP_BACKEND

namespace {

struct BackendEntry {
  hp_device device;
  BackendFactory create;
  DeviceCounter count;
};

const BackendEntry kBackends[] = {
#define HP_BACKEND(device, name) {device, Create_##name##_backend, Count_##name##_devices},
#include "hotpath_backends.inc"
#undef HP_BACKEND
};

}  // namespace
}  // namespace hp

using hp::Fail;
using hp::Guard;

extern "C" {

hp_status hp_ctx_create(const hp_ctx_desc* desc, hp_ctx** out) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE_DESC(desc, "ctx_desc");
    HP_REQUIRE(out, "out = NULL: required");
    for (const auto& entry : hp::kBackends) {
      if (entry.device != desc->device) continue;
      auto ctx = std::make_unique<hp_ctx>();
      HP_RETURN_IF_ERROR(entry.create(*desc, &ctx->backend));
      *out = ctx.release();
      return HP_STATUS_OK;
    }
    HP_REQUIRE(desc->device == HP_DEVICE_CPU || desc->device == HP_DEVICE_CUDA,
               "ctx_desc.device = %d: must be HP_DEVICE_CPU or HP_DEVICE_CUDA", desc->device);
    return Fail(HP_STATUS_UNSUPPORTED,
                "ctx_desc.device = CUDA: this build has no CUDA backend; build with DVREN_CUDA=ON");
  });
}

void hp_ctx_destroy(hp_ctx* ctx) {
  delete ctx;
}

hp_status hp_ctx_get_info(const hp_ctx* ctx, hp_ctx_info* out) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(ctx, "ctx = NULL: required");
    HP_REQUIRE_DESC(out, "ctx_info");
    return ctx->backend->GetInfo(out);
  });
}

int32_t hp_ctx_failed(const hp_ctx* ctx) {
  return ctx && ctx->backend->Failed() ? 1 : 0;
}

int32_t hp_device_count(hp_device device) {
  for (const auto& entry : hp::kBackends) {
    if (entry.device == device) return entry.count();
  }
  return 0;
}

hp_status hp_stream_create(hp_ctx* ctx, hp_stream** out) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(ctx && out, "ctx, out = NULL: required");
    auto stream = std::make_unique<hp_stream>(hp_stream{ctx, nullptr});
    HP_RETURN_IF_ERROR(ctx->backend->CreateStream(&stream->handle));
    *out = stream.release();
    return HP_STATUS_OK;
  });
}

void hp_stream_destroy(hp_stream* stream) {
  if (!stream) return;
  stream->ctx->backend->DestroyStream(stream->handle);
  delete stream;
}

hp_status hp_stream_synchronize(hp_stream* stream) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(stream, "stream = NULL: required");
    return stream->ctx->backend->Synchronize(stream->handle);
  });
}

hp_status hp_memory_allocate(hp_stream* stream, size_t bytes, void** out) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(stream && out, "stream, out = NULL: required");
    return stream->ctx->backend->Allocate(stream->handle, bytes, out);
  });
}

hp_status hp_memory_free(hp_stream* stream, void* data) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(stream, "stream = NULL: required");
    return data ? stream->ctx->backend->Free(stream->handle, data) : HP_STATUS_OK;
  });
}

hp_status hp_memory_copy(hp_stream* stream, void* destination, const void* source, size_t bytes, hp_copy_kind kind) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(stream, "stream = NULL: required");
    HP_REQUIRE(bytes == 0 || (destination && source), "destination, source = NULL: required");
    return bytes ? stream->ctx->backend->Copy(stream->handle, destination, source, bytes, kind) : HP_STATUS_OK;
  });
}

hp_status hp_graph_begin_capture(hp_stream* stream) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(stream, "stream = NULL: required");
    return stream->ctx->backend->BeginCapture(stream->handle);
  });
}

hp_status hp_graph_end_capture(hp_stream* stream, hp_graph** out) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(stream && out, "stream, out = NULL: required");
    HP_REQUIRE(!*out || (*out)->ctx == stream->ctx, "*out: must be NULL, or a graph of the stream's context");
    void* handle = *out ? (*out)->handle : nullptr;
    const hp_status status = stream->ctx->backend->EndCapture(stream->handle, &handle);
    if (*out) (*out)->handle = handle;
    if (status == HP_STATUS_OK && !*out) *out = new hp_graph{stream->ctx, handle};
    return status;
  });
}

hp_status hp_graph_launch(hp_graph* graph, hp_stream* stream) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(stream, "stream = NULL: required");
    HP_REQUIRE(!graph || graph->ctx == stream->ctx, "graph: belongs to another context than the stream");
    return stream->ctx->backend->LaunchGraph(stream->handle, graph ? graph->handle : nullptr);
  });
}

void hp_graph_destroy(hp_graph* graph) {
  if (!graph) return;
  graph->ctx->backend->DestroyGraph(graph->handle);
  delete graph;
}

}  // extern "C"
