// The opcodes that the reader executes, and the names of all, for its messages. Source: Python's pickletools.
#pragma once

#include <cstdint>
#include "absl/strings/string_view.h"

namespace dvren::analysis::pickle {

inline constexpr std::uint8_t kMark = '(';
inline constexpr std::uint8_t kStop = '.';
inline constexpr std::uint8_t kBinFloat = 'G';
inline constexpr std::uint8_t kBinInt = 'J';
inline constexpr std::uint8_t kBinInt1 = 'K';
inline constexpr std::uint8_t kBinInt2 = 'M';
inline constexpr std::uint8_t kNone = 'N';
inline constexpr std::uint8_t kBinUnicode = 'X';
inline constexpr std::uint8_t kEmptyList = ']';
inline constexpr std::uint8_t kBuild = 'b';
inline constexpr std::uint8_t kAppends = 'e';
inline constexpr std::uint8_t kBinGet = 'h';
inline constexpr std::uint8_t kLongBinGet = 'j';
inline constexpr std::uint8_t kSetItem = 's';
inline constexpr std::uint8_t kSetItems = 'u';
inline constexpr std::uint8_t kEmptyDict = '}';
inline constexpr std::uint8_t kEmptyTuple = ')';
inline constexpr std::uint8_t kProto = 0x80;
inline constexpr std::uint8_t kNewObj = 0x81;
inline constexpr std::uint8_t kShortBinUnicode = 0x8c;
inline constexpr std::uint8_t kStackGlobal = 0x93;
inline constexpr std::uint8_t kMemoize = 0x94;
inline constexpr std::uint8_t kFrame = 0x95;

// "REDUCE"; "unknown" for a byte that is no opcode of any protocol.
[[nodiscard]] absl::string_view Name(std::uint8_t opcode);

}  // namespace dvren::analysis::pickle
