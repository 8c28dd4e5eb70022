// Examples of every registered field type, placed, coloured and of awkward sizes. Registering a field in hotpath
// without giving examples of it here does not compile: registering a thing is testing it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "support/hp_fixture.h"

namespace dvren::test {

struct FieldExample {
  std::string name;
  std::function<HpField(const HpContext&)> make;
  hp_instance look;  // scale, colour, transfer function, placement; its field is filled in by Place
  Vec3 centre;       // of the box, world
  double radius;     // of a sphere around the box
  double voxel;      // shortest edge, world
  bool unbounded = false;

  // What gradients need to know.
  std::vector<float> values;  // in the order of hp_gradient_read
  // The same field with other values, stored as f32 whatever it stores itself.
  std::function<HpField(const HpContext&, const std::vector<float>&)> with_values;
  int channels = 1;         // per voxel; the last one is density. 1 for sparse fields
  bool nonnegative = true;  // densities may not be negative
  bool nearest = false;
  std::array<std::int64_t, 3> size{0, 0, 0};  // voxels in x, y, z; 0 for sparse fields

  [[nodiscard]] hp_instance Place(const HpField& field) const {
    hp_instance instance = look;
    instance.field = field.get();
    return instance;
  }
};

// At least one of each registered type that this build can make.
std::vector<FieldExample> FieldExamples();

struct SamplerExample {
  std::string name;
  hp_sampling sampling;
};
// Every registered sampler.
std::vector<SamplerExample> Samplers();

}  // namespace dvren::test
