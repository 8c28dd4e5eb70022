// Plan: everything about a render but the scene's data. Immutable and shared; cached per device by content.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "dvren/core/device.h"
#include "dvren/scene/camera.h"
#include "dvren/scene/scene.h"

namespace dvren {

struct Roi {  // half-open pixel rectangle of the whole image
  int x = 0, y = 0, width = 0, height = 0;
  friend bool operator==(const Roi&, const Roi&) = default;
};

enum class SamplingMode : std::uint8_t { kFixed, kStratified, kUniformJitter };
enum class Precision : std::uint8_t { kF32, kF64 };

struct SamplingSpec {
  SamplingMode mode = SamplingMode::kFixed;
  double dt = 0;                     // world units, > 0
  std::int64_t max_steps = 1 << 20;  // non-empty segments per ray, 1 … 2^24
  std::uint64_t seed = 0;
  double early_stop = 1e-4;  // 0 = off
  bool skip_empty = true;
  bool note_seen = false;  // f32 forwards over a masked grid note the cells that rays see (FieldWriter::RefineMask)
};

enum Aov : std::uint32_t {
  kAovRgb = 1,
  kAovOpacity = 2,
  kAovTransmittance = 4,
  kAovDepth = 8,
  kAovHit = 16,
  kAovDistortion = 32,  // how far a ray's weights lie apart (hp_img_t); costs where it is asked for
};

struct PlanSpec {
  std::optional<Camera> camera;  // absent: rays are given
  std::optional<Roi> roi;        // absent: the whole image
  SamplingSpec sampling;
  std::array<double, 3> background{0, 0, 0};
  std::uint32_t aovs = kAovRgb;
  Precision precision = Precision::kF32;
  int tile = 0;         // pixels along the edge of one slice of work; 0 = default (128)
  int kernel_tile = 0;  // pixels along the edge of a scheduling tile inside the kernel; 0 = default
};

inline constexpr std::int64_t kMaxSteps = std::int64_t{1} << 24;

class Plan {
 public:
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  [[nodiscard]] const PlanSpec& spec() const { return spec_; }
  [[nodiscard]] const Roi& roi() const { return roi_; }                   // empty without a camera
  [[nodiscard]] const std::vector<Roi>& tiles() const { return tiles_; }  // slices of work, row by row
  [[nodiscard]] std::size_t workspace_bytes() const { return workspace_bytes_; }
  [[nodiscard]] const hp_plan* hp() const { return plan_; }
  [[nodiscard]] const Device* device() const { return device_; }

 private:
  friend class Planner;
  Plan() = default;
  PlanSpec spec_;
  Roi roi_;
  std::vector<Roi> tiles_;
  std::size_t workspace_bytes_ = 0;
  hp_plan* plan_ = nullptr;
  // Not owned: the device owns the cache that owns plans. Whoever gets a plan gets a pointer that keeps the device too.
  const Device* device_ = nullptr;
};

inline constexpr std::int64_t kMaxTiles = std::int64_t{1} << 20;  // slices of one plan

// Checks a spec and computes the plan. INVALID_ARGUMENT names field, value and remedy.
class Planner {
 public:
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<const Plan>> Make(const std::shared_ptr<Device>& device,
                                                                        const PlanSpec& spec);

 private:
  friend class PlanCache;
  // As Make, but the plan does not keep the device.
  static absl::StatusOr<std::shared_ptr<const Plan>> MakeUnowned(const Device& device, const PlanSpec& spec);
  // A pointer to the same plan that keeps the device until the plan is let go.
  static std::shared_ptr<const Plan> KeepDevice(const std::shared_ptr<Device>& device,
                                                std::shared_ptr<const Plan> plan);
};

// Plans of one device by content, least recently used out. Thread-safe.
class PlanCache {
 public:
  explicit PlanCache(std::size_t capacity = 64) : capacity_(capacity) {}
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const Plan>> Get(const std::shared_ptr<Device>& device,
                                                                const PlanSpec& spec);
  [[nodiscard]] std::size_t size() const;

 private:
  using Entry = std::pair<std::string, std::shared_ptr<const Plan>>;
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;                                           // guarded by mutex_; front = most recent
  std::unordered_map<std::string, std::list<Entry>::iterator> index_;  // guarded by mutex_
};

}  // namespace dvren
