// The floating-point environment of everything below the ABI: what a caller has set must not reach our bits.
#pragma once

namespace hp {

// Rounds to nearest and keeps denormals on this thread, whatever the host program has set; restores on destruction.
class FloatEnvironment {
 public:
  FloatEnvironment();
  ~FloatEnvironment();
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
  unsigned saved_;
};

}  // namespace hp
