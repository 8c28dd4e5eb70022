// What the opaque handles of hp.h are.
#pragma once

#include <atomic>
#include <memory>

#include "abi/backend.h"
#include "abi/gradient_layout.h"

struct hp_ctx {
  std::unique_ptr<hp::Backend> backend;
};

struct hp_stream {
  hp_ctx* ctx;
  void* handle;  // the backend's
};

struct hp_graph {
  hp_ctx* ctx;
  void* handle;  // the backend's
};

struct hp_plan {
  hp_ctx* ctx;
  hp::PlanArgs args;
  hp_precision precision;
  int32_t tile;
};

struct hp_field {
  hp_ctx* ctx;
  hp_stream* stream;  // the field's own, to free its memory in order
  hp_field_info info;
  hp::FieldArgs args;  // world_to_grid is filled in per instance
  hp_affine grid_to_local;
  void* memory[5] = {nullptr, nullptr, nullptr, nullptr, nullptr};
  std::shared_ptr<const hp::GradientLayout> gradient_layout;  // null: no parameters
};

struct hp_moments {
  hp_ctx* ctx;
  const hp_field* field;
  hp_update_rule rule;
  void* store;  // the backend's
};

struct hp_gradient {
  hp_ctx* ctx;
  const hp_field* field;
  void* store;  // the backend's
  int32_t exponent = 0;
};
