#include <cstring>
#include <type_traits>
#include <utility>
#include <variant>

#include "dvren/plan/plan.h"

namespace dvren {
namespace {

// The exact bytes of a spec. Doubles go in bit by bit, so that plans which differ in the last digit are two plans.
class Key {
 public:
  template <class T>
  void Add(T value) {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>, "a struct may hold padding; add its members");
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    text_.append(bytes, sizeof(T));
  }
  template <class... T>
  void AddAll(T... values) {
    (Add(values), ...);
  }
  void operator()(const PinholeModel& m) { AddAll(m.fx, m.fy, m.cx, m.cy, m.k1, m.k2, m.k3, m.p1, m.p2); }
  void operator()(const FisheyeModel& m) { AddAll(m.fx, m.fy, m.cx, m.cy, m.k1, m.k2, m.k3, m.k4); }
  void operator()(const OrthographicModel& m) { Add(m.ortho_scale); }
  void AddCamera(const Camera& camera) {
    AddAll(camera.width, camera.height, camera.model.index(), camera.t_near, camera.t_far, camera.shutter.kind,
           camera.shutter.open, camera.shutter.close, camera.keyframes.size());
    std::visit(*this, camera.model);
    for (const CameraKeyframe& keyframe : camera.keyframes) {
      Add(keyframe.time);
      for (double v : keyframe.camera_to_world.m) Add(v);
    }
  }
  std::string Take() && { return std::move(text_); }

 private:
  std::string text_;
};

std::string KeyOf(const Device* device, const PlanSpec& spec) {
  Key key;
  key.Add(reinterpret_cast<std::uintptr_t>(device));  // a plan never serves another device
  key.Add(spec.camera.has_value());
  if (spec.camera.has_value()) key.AddCamera(*spec.camera);
  key.Add(spec.roi.has_value());
  if (spec.roi.has_value()) key.AddAll(spec.roi->x, spec.roi->y, spec.roi->width, spec.roi->height);
  const SamplingSpec& s = spec.sampling;
  key.AddAll(s.mode, s.dt, s.max_steps, s.seed, s.early_stop, s.skip_empty, s.note_seen);
  for (double v : spec.background) key.Add(v);
  key.AddAll(spec.aovs, spec.precision, spec.tile, spec.kernel_tile);
  return std::move(key).Take();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Plan>> PlanCache::Get(const std::shared_ptr<Device>& device,
                                                           const PlanSpec& spec) {
  const std::string key = KeyOf(device.get(), spec);
  // Front of the list is the most recent. Precondition: mutex_ is held.
  const auto find = [&]() -> std::shared_ptr<const Plan> {
    const auto it = index_.find(key);
    if (it == index_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, it->second);
    return it->second->second;
  };
  {
    const std::lock_guard lock(mutex_);
    if (auto plan = find()) return Planner::KeepDevice(device, std::move(plan));
  }
  // Planning happens outside the lock; of two threads that plan the same, the first one's plan stays.
  DVREN_ASSIGN_OR_RETURN(std::shared_ptr<const Plan> made, Planner::MakeUnowned(*device, spec));
  std::list<Entry> evicted;  // destroyed after the lock is gone
  const std::lock_guard lock(mutex_);
  if (auto plan = find()) return Planner::KeepDevice(device, std::move(plan));
  entries_.emplace_front(key, made);
  index_.emplace(key, entries_.begin());
  while (entries_.size() > capacity_) {
    index_.erase(entries_.back().first);
    evicted.splice(evicted.begin(), entries_, std::prev(entries_.end()));
  }
  return Planner::KeepDevice(device, std::move(made));
}

std::size_t PlanCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace dvren
