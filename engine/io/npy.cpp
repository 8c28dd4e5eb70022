#include "dvren/io/npy.h"

#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include "byte_reader.h"
#include "npy_stream.h"
#include "printable.h"

namespace dvren::io {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are read and written as they lie in memory");

constexpr char kMagic[] = "\x93NUMPY";
constexpr std::uint64_t kMaxHeaderBytes = 64 * 1024;  // NumPy's own headers are around 100 bytes
constexpr std::size_t kMaxRank = 32;                  // NumPy's own limit

struct Header {
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::uint64_t value_bytes = 0;
};

// The header is a Python dict literal with exactly the keys descr, fortran_order and shape. This reads that and nothing
// else: no expressions, no other types.
class HeaderParser {
 public:
  HeaderParser(absl::string_view text, absl::string_view name) : text_(text), name_(name) {}

  absl::StatusOr<Header> Parse() {
    std::optional<std::string> descr;
    std::optional<bool> fortran;
    std::optional<std::vector<std::int64_t>> shape;
    if (!Take('{')) return Bad("must be a dict");
    while (!Take('}')) {
      std::string key;
      if (!String(&key) || !Take(':')) return Bad("must be a dict with string keys");
      if (key == "descr" && !descr.has_value()) {
        std::string value;
        if (Peek('[')) return Refused("a structured dtype", "save a plain array");
        if (!String(&value)) return Bad("descr must be a string");
        descr = value;
      } else if (key == "fortran_order" && !fortran.has_value()) {
        if (Word("True")) {
          fortran = true;
        } else if (Word("False")) {
          fortran = false;
        } else {
          return Bad("fortran_order must be True or False");
        }
      } else if (key == "shape" && !shape.has_value()) {
        std::vector<std::int64_t> extents;
        DVREN_RETURN_IF_ERROR(Tuple(&extents));
        shape = std::move(extents);
      } else {
        return Bad("must have the keys descr, fortran_order and shape, once each");
      }
      if (!Take(',') && !Peek('}')) return Bad("must have commas between its keys");
    }
    Space();
    if (at_ != text_.size()) return Bad("has text after its dict");
    if (!descr || !fortran || !shape) return Bad("must have the keys descr, fortran_order and shape, once each");
    Header header;
    DVREN_ASSIGN_OR_RETURN(header.dtype, Dtype(*descr));
    if (*fortran) return Refused("Fortran order", "save numpy.ascontiguousarray(a)");
    header.shape = std::move(*shape);
    std::uint64_t bytes = DTypeSize(header.dtype);
    for (const std::int64_t extent : header.shape) {
      if (!MultiplyFits(bytes, static_cast<std::uint64_t>(extent), &bytes)) {
        return Bad("declares a shape whose size does not fit 63 bits");
      }
    }
    header.value_bytes = bytes;
    return header;
  }

 private:
  absl::Status Bad(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(name_, ": not a readable NPY: its header ", what));
  }
  absl::Status Refused(absl::string_view what, absl::string_view remedy) const {
    return absl::InvalidArgumentError(absl::StrCat(name_, ": ", what, " is not read: ", remedy));
  }
  void Space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool Peek(char c) {
    Space();
    return at_ < text_.size() && text_[at_] == c;
  }
  bool Take(char c) {
    if (!Peek(c)) return false;
    ++at_;
    return true;
  }
  bool Word(absl::string_view word) {
    Space();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  bool String(std::string* value) {
    Space();
    if (at_ >= text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) return false;
    const char quote = text_[at_];
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == absl::string_view::npos) return false;
    *value = std::string(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return value->find('\\') == std::string::npos;
  }
  absl::Status Tuple(std::vector<std::int64_t>* extents) {
    if (!Take('(')) return Bad("must have a tuple as shape");
    while (!Take(')')) {
      Space();
      const std::size_t begin = at_;
      std::int64_t value = 0;
      while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
        const std::int64_t digit = text_[at_] - '0';
        if (value > (INT64_MAX - digit) / 10) return Bad("declares an extent that does not fit 63 bits");
        value = value * 10 + digit;
        ++at_;
      }
      if (at_ == begin) return Bad("must have a shape of integers >= 0");
      if (extents->size() == kMaxRank) return Bad("declares more than 32 axes");
      extents->push_back(value);
      const bool comma = Take(',');
      // Python's (3) is a number, not a tuple.
      if (!comma && (!Peek(')') || extents->size() == 1)) return Bad("must have a tuple as shape");
    }
    return absl::OkStatus();
  }
  absl::StatusOr<DType> Dtype(const std::string& descr) const {
    if (descr == "<f4") return DType::kF32;
    if (descr == "<f2") return DType::kF16;
    if (descr == "<f8") return DType::kF64;
    if (descr == "<i4") return DType::kI32;
    if (descr == "<i8") return DType::kI64;
    if (descr == "|u1" || descr == "<u1") return DType::kU8;
    if (descr.starts_with('>')) {
      return Refused(absl::StrCat("big-endian dtype ", Printable(descr)), "save a.astype(a.dtype.newbyteorder('<'))");
    }
    if (descr.starts_with("|O") || descr == "O") return Refused("an array of Python objects", "save a numeric array");
    return Refused(absl::StrCat("dtype ", Printable(descr)),
                   "must be <f2, <f4, <f8, <i4, <i8 or |u1; save a.astype('<f4')");
  }

  absl::string_view text_, name_;
  std::size_t at_ = 0;
};

absl::StatusOr<std::string> Descr(DType dtype, absl::string_view name) {
  switch (dtype) {
    case DType::kF32:
      return std::string("<f4");
    case DType::kF64:
      return std::string("<f8");
    case DType::kF16:
      return std::string("<f2");
    case DType::kI32:
      return std::string("<i4");
    case DType::kI64:
      return std::string("<i8");
    case DType::kU8:
      return std::string("|u1");
    case DType::kBF16:
      break;
  }
  return absl::InvalidArgumentError(absl::StrCat(name, ": dtype bf16 cannot be written as NPY: convert it to f32"));
}

}  // namespace

absl::StatusOr<NpyArray> ReadNpyStream(const NextBytes& next, std::uint64_t total, std::uint64_t max_bytes,
                                       absl::string_view name) {
  unsigned char head[12];  // magic 6, version 2, header length 2 or 4
  if (total < 10) return absl::InvalidArgumentError(absl::StrCat(name, ": not an NPY: only ", total, " bytes long"));
  DVREN_RETURN_IF_ERROR(next(head, 10));
  if (std::memcmp(head, kMagic, 6) != 0) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": not an NPY: does not start with \\x93NUMPY"));
  }
  if (head[6] < 1 || head[6] > 3 || head[7] != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": NPY version ", head[6], ".", head[7], ": must be 1.0, 2.0 or 3.0"));
  }
  std::uint64_t prefix = 10, header_bytes = head[8] | head[9] << 8;
  if (head[6] >= 2) {
    if (total < 12) return absl::InvalidArgumentError(absl::StrCat(name, ": not an NPY: only ", total, " bytes long"));
    DVREN_RETURN_IF_ERROR(next(head + 10, 2));
    prefix = 12;
    header_bytes |= static_cast<std::uint64_t>(head[10]) << 16 | static_cast<std::uint64_t>(head[11]) << 24;
  }
  if (header_bytes > total - prefix || header_bytes > kMaxHeaderBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": not a readable NPY: declares a header of ", header_bytes, " bytes"));
  }
  std::string text(header_bytes, '\0');
  DVREN_RETURN_IF_ERROR(next(text.data(), header_bytes));
  DVREN_ASSIGN_OR_RETURN(Header header, HeaderParser(text, name).Parse());
  const std::uint64_t present = total - prefix - header_bytes;
  if (header.value_bytes != present) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", header.value_bytes > present ? "cut short" : "too long",
                                                   ": its header declares ", header.value_bytes,
                                                   " bytes of values, there are ", present));
  }
  if (header.value_bytes > max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(name, ": ", header.value_bytes, " bytes of values: more than the ", max_bytes, " allowed"));
  }
  NpyArray array{header.dtype, std::move(header.shape), Blob(header.value_bytes)};
  DVREN_RETURN_IF_ERROR(next(array.data.data(), header.value_bytes));
  return array;
}

absl::StatusOr<std::string> NpyHeader(const NpyView& array, absl::string_view name, std::uint64_t* value_bytes) {
  DVREN_ASSIGN_OR_RETURN(const std::string descr, Descr(array.dtype, name));
  std::string dict = absl::StrCat("{'descr': '", descr, "', 'fortran_order': False, 'shape': (");
  std::uint64_t bytes = DTypeSize(array.dtype);
  for (std::size_t i = 0; i < array.shape.size(); ++i) {
    const std::int64_t extent = array.shape[i];
    if (extent < 0) return InvalidField(absl::StrCat(name, ": shape[", i, "]"), extent, "must be >= 0");
    if (!MultiplyFits(bytes, static_cast<std::uint64_t>(extent), &bytes)) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": shape: its size does not fit 63 bits"));
    }
    absl::StrAppend(&dict, extent, i + 1 < array.shape.size() ? ", " : array.shape.size() == 1 ? "," : "");
  }
  absl::StrAppend(&dict, "), }");
  constexpr std::size_t kPrefix = 10;
  dict.append((64 - (kPrefix + dict.size() + 1) % 64) % 64, ' ');
  dict.push_back('\n');
  if (array.shape.size() > kMaxRank)
    return InvalidField(absl::StrCat(name, ": rank"), array.shape.size(), "at most 32");
  std::string header(kMagic, 6);
  header.push_back('\x01');
  header.push_back('\x00');
  header.push_back(static_cast<char>(dict.size() & 0xff));
  header.push_back(static_cast<char>(dict.size() >> 8));
  *value_bytes = bytes;
  return header + dict;
}

absl::StatusOr<NpyArray> ReadNpyFile(const std::string& path, const std::string& name, std::uint64_t max_bytes) {
  DVREN_ASSIGN_OR_RETURN(std::unique_ptr<FileReader> file, FileReader::Open(path, name));
  std::uint64_t at = 0;
  const NextBytes next = [&](void* to, std::uint64_t bytes) {
    at += bytes;
    return file->ReadAt(at - bytes, to, bytes);
  };
  return ReadNpyStream(next, file->size(), max_bytes, name);
}

absl::StatusOr<NpyArray> ReadNpy(const std::string& path, std::uint64_t max_bytes) {
  return ReadNpyFile(path, path, max_bytes);
}

absl::StatusOr<NpyArray> ParseNpy(std::span<const std::byte> file, absl::string_view name) {
  MemoryReader reader(file, std::string(name));
  std::uint64_t at = 0;
  const NextBytes next = [&](void* to, std::uint64_t bytes) {
    at += bytes;
    return reader.ReadAt(at - bytes, to, bytes);
  };
  return ReadNpyStream(next, file.size(), file.size(), name);
}

absl::Status WriteNpy(const std::string& path, const NpyView& array, FileOps& ops) {
  std::uint64_t bytes = 0;
  DVREN_ASSIGN_OR_RETURN(const std::string header, NpyHeader(array, path, &bytes));
  DVREN_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path, ops));
  DVREN_RETURN_IF_ERROR(file.Write(header.data(), header.size()));
  DVREN_RETURN_IF_ERROR(file.Write(array.data, bytes));
  return file.Commit();
}

}  // namespace dvren::io
