#include "dvren/train/byte_codec.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "unit/io/io_fixture.h"

namespace dvren::test {
namespace {

using absl::StatusCode;
using io::test::Ok;
using io::test::Refused;

enum class Fruit : std::uint16_t { kApple = 1, kPear = 0x1234 };

std::vector<int> Values(const ByteSink& sink) {
  std::vector<int> values;
  for (const std::byte b : sink.bytes()) values.push_back(std::to_integer<int>(b));
  return values;
}

}  // namespace

TEST_CASE("Numbers are bytes from the least one up, text and arrays a count of 64 bits and their elements") {
  ByteSink sink;
  sink.Put(std::uint32_t{0x01020304});
  sink.Put(std::int16_t{-2});
  sink.Put(1.0f);  // 0x3f800000
  sink.Put(true);
  sink.Put(Fruit::kPear);
  sink.Put("ab");
  sink.Put(std::vector<std::uint16_t>{0x0102});
  const std::vector<int> wanted{4, 3, 2, 1, 254, 255, 0, 0, 0x80, 0x3f, 1, 0x34, 0x12, 2, 0, 0, 0,
                                0, 0, 0, 0, 97,  98,  1, 0, 0,    0,    0, 0,    0,    0, 2, 1};
  CHECK(Values(sink) == wanted);
}

TEST_CASE("What was put comes back, bit for bit") {
  const std::vector<double> numbers{0.1, -0.0, std::numeric_limits<double>::infinity(),
                                    std::numeric_limits<double>::denorm_min()};
  const std::string text("a\0b\xff", 4);
  ByteSink sink;
  sink.Put(std::int64_t{INT64_MIN});
  sink.Put(false);
  sink.Put(numbers);
  sink.Put(text);
  sink.Put(Fruit::kApple);
  sink.Put(std::vector<float>{});
  sink.PutElements(std::span<const double>(numbers));

  ByteSource source(sink.bytes(), "state");
  std::int64_t whole = 0;
  bool flag = true;
  std::vector<double> back;
  std::string word;
  Fruit fruit = Fruit::kPear;
  std::vector<float> empty{1};
  std::vector<double> elements(4);
  Ok(source.Get(&whole));
  Ok(source.Get(&flag));
  Ok(source.Get(&back));
  Ok(source.Get(&word));
  Ok(source.Get(&fruit));
  Ok(source.Get(&empty));
  Ok(source.GetElements(std::span<double>(elements)));
  Ok(source.Finish());
  CHECK(whole == INT64_MIN);
  CHECK_FALSE(flag);
  CHECK(back == numbers);
  CHECK(std::signbit(back[1]));
  CHECK(word == text);
  CHECK(fruit == Fruit::kApple);
  CHECK(empty.empty());
  CHECK(elements == numbers);
}

TEST_CASE("Bytes that are cut short at any place are refused, and nothing is taken") {
  ByteSink sink;
  sink.Put(std::uint32_t{7});
  sink.Put("words");
  sink.Put(std::vector<float>{1, 2, 3});
  for (std::size_t length = 0; length < sink.bytes().size(); ++length) {
    ByteSource source(sink.bytes().first(length), "state");
    std::uint32_t number = 0;
    std::string text;
    std::vector<float> values;
    absl::Status status = source.Get(&number);
    if (status.ok()) status = source.Get(&text);
    if (status.ok()) status = source.Get(&values);
    CAPTURE(length);
    CHECK(Refused(status, StatusCode::kDataLoss, {"state: damaged: cut short"}));
    CHECK(values.empty());
  }
}

TEST_CASE("A count that is absurd is refused before it is allocated") {
  for (const std::uint64_t count : {std::uint64_t{1} << 60, UINT64_MAX, UINT64_MAX / 8 + 2, std::uint64_t{3}}) {
    ByteSink sink;
    sink.Put(count);
    sink.Put(1.0);
    sink.Put(2.0);
    ByteSource source(sink.bytes(), "state");
    std::vector<double> values;
    CHECK(
        Refused(source.Get(&values), StatusCode::kDataLoss, {"state", "elements of 8 bytes declared, 16 bytes left"}));
    CHECK(source.remaining() == 24);  // still in front of it
  }
}

TEST_CASE("A flag is 0 or 1, and bytes that nobody asked for are an error") {
  ByteSink sink;
  sink.Put(std::uint8_t{2});
  ByteSource source(sink.bytes(), "state");
  bool flag = false;
  CHECK(Refused(source.Get(&flag), StatusCode::kDataLoss, {"state", "2 where 0 or 1 must be"}));
  CHECK(Refused(source.Finish(), StatusCode::kDataLoss, {"state", "1 bytes too many"}));
}

}  // namespace dvren::test
