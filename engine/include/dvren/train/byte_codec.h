// ByteSink and ByteSource: numbers, text and arrays as bytes, little endian on every machine, without padding or type
// tags: what is read must be asked for in the order in which it was written.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "dvren/core/status.h"

namespace dvren {

// What has one form in bytes: numbers and enums of a fixed size. bool has a byte of its own (0 or 1).
template <class T>
concept ByteCoded = (std::is_arithmetic_v<T> || std::is_enum_v<T>)&&!std::is_same_v<T, bool> && sizeof(T) <= 8;

namespace internal {

// Between memory order and little endian, either way, in place.
template <ByteCoded T>
void SwapOnBigEndian(std::byte* bytes, std::size_t count) {
  if constexpr (std::endian::native == std::endian::big) {
    for (std::size_t i = 0; i < count; ++i, bytes += sizeof(T)) {
      for (std::size_t low = 0, high = sizeof(T) - 1; low < high; ++low, --high) std::swap(bytes[low], bytes[high]);
    }
  }
}

}  // namespace internal

class ByteSink {
 public:
  template <ByteCoded T>
  void Put(T value) {
    Append<T>(&value, 1);
  }
  void Put(bool value) { Put<std::uint8_t>(value ? 1 : 0); }
  // A count (u64), then the elements.
  template <ByteCoded T>
  void Put(std::span<const T> values) {
    Put<std::uint64_t>(values.size());
    Append<T>(values.data(), values.size());
  }
  template <ByteCoded T>
  void Put(const std::vector<T>& values) {
    Put(std::span<const T>(values));
  }
  // The elements alone, for GetElements.
  template <ByteCoded T>
  void PutElements(std::span<const T> values) {
    Append<T>(values.data(), values.size());
  }
  void Put(absl::string_view text) { Put(std::span<const char>(text.data(), text.size())); }
  void Put(const char* text) { Put(absl::string_view(text)); }  // else it would be a bool
  void Put(const std::string& text) { Put(absl::string_view(text)); }

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] std::vector<std::byte> Take() && { return std::move(bytes_); }

 private:
  template <ByteCoded T>
  void Append(const T* from, std::size_t count) {
    const std::size_t at = bytes_.size();
    AppendBytes(from, count * sizeof(T));
    internal::SwapOnBigEndian<T>(bytes_.data() + at, count);
  }
  void AppendBytes(const void* from, std::size_t count);
  std::vector<std::byte> bytes_;
};

// Reads what a ByteSink wrote. DATA_LOSS, with the source's name and the offset, for what does not fit: no read goes
// beyond the end, and no declared count is allocated before the bytes for it are seen to be there. After an error the
// position is where it was.
class ByteSource {
 public:
  // `bytes` outlives the source. `name` starts every message.
  ByteSource(std::span<const std::byte> bytes, std::string name) : bytes_(bytes), name_(std::move(name)) {}

  template <ByteCoded T>
  [[nodiscard]] absl::Status Get(T* to) {
    return GetElements(std::span<T>(to, 1));
  }
  [[nodiscard]] absl::Status Get(bool* to) {
    std::uint8_t value = 0;
    DVREN_RETURN_IF_ERROR(Get(&value));
    if (value > 1) {
      --position_;
      return Damaged(absl::StrCat(value, " where 0 or 1 must be"));
    }
    *to = value == 1;
    return absl::OkStatus();
  }
  // What PutElements wrote: the reader knows the number.
  template <ByteCoded T>
  [[nodiscard]] absl::Status GetElements(std::span<T> to) {
    if (to.size() > remaining() / sizeof(T)) {
      return Damaged(absl::StrCat("cut short: ", to.size(), " x ", sizeof(T), " bytes wanted, ", remaining(), " left"));
    }
    if (to.empty()) return absl::OkStatus();
    std::memcpy(to.data(), bytes_.data() + position_, to.size_bytes());
    internal::SwapOnBigEndian<T>(reinterpret_cast<std::byte*>(to.data()), to.size());
    position_ += to.size_bytes();
    return absl::OkStatus();
  }
  template <ByteCoded T>
  [[nodiscard]] absl::Status Get(std::vector<T>* to) {
    return GetCounted<T>(to);
  }
  [[nodiscard]] absl::Status Get(std::string* to) { return GetCounted<char>(to); }

  [[nodiscard]] std::size_t remaining() const { return bytes_.size() - position_; }
  // DATA_LOSS when something is left: it was written by something else.
  [[nodiscard]] absl::Status Finish() const {
    return remaining() == 0 ? absl::OkStatus() : Damaged(absl::StrCat(remaining(), " bytes too many"));
  }

 private:
  template <ByteCoded T, class Container>
  [[nodiscard]] absl::Status GetCounted(Container* to) {
    const std::size_t begin = position_;
    std::uint64_t count = 0;
    DVREN_RETURN_IF_ERROR(Get(&count));
    if (count > remaining() / sizeof(T)) {
      position_ = begin;
      return Damaged(absl::StrCat("cut short: ", count, " elements of ", sizeof(T), " bytes declared, ",
                                  remaining() - sizeof(count), " bytes left"));
    }
    Container values;
    try {
      values.resize(static_cast<std::size_t>(count));
    } catch (const std::bad_alloc&) {
      position_ = begin;
      return absl::ResourceExhaustedError(absl::StrCat(name_, ": out of memory for ", count, " elements"));
    }
    DVREN_RETURN_IF_ERROR(GetElements(std::span<T>(values.data(), values.size())));
    *to = std::move(values);
    return absl::OkStatus();
  }
  [[nodiscard]] absl::Status Damaged(absl::string_view what) const {
    return absl::DataLossError(absl::StrCat(name_, ": damaged: ", what, ", at byte ", position_));
  }

  std::span<const std::byte> bytes_;
  std::string name_;
  std::size_t position_ = 0;
};

}  // namespace dvren
