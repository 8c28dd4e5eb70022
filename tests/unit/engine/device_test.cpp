// Devices, streams, buffers and tensors.
#include <catch2/catch.hpp>
#include <cstring>
#include <limits>
#include <thread>

#include "dvren/core/tensor.h"
#include "support/render_fixture.h"

namespace dvren::test {
namespace {

using Catch::Matchers::Contains;

std::string MessageOf(const absl::Status& status) {
  return std::string(status.message());
}

TEST_CASE("An unknown device id is refused by name") {
  for (const char* id : {"", "gpu", "cuda", "cuda:", "cuda:-1", "cuda:1x", "CPU"}) {
    const auto device = Device::Create({.id = id});
    REQUIRE(device.status().code() == absl::StatusCode::kInvalidArgument);
    CHECK_THAT(MessageOf(device.status()), Contains("device = " + std::string(id) + ": must be cpu or cuda:N"));
  }
}

TEST_CASE("A GPU that is not there is unavailable") {
  const auto device = Device::Create({.id = "cuda:999"});
  CHECK(device.status().code() == absl::StatusCode::kUnavailable);
  CHECK_THAT(MessageOf(device.status()), Contains("cuda:999"));
}

TEST_CASE("Thread counts outside the range are refused") {
  CHECK(Device::Create({.threads = -1}).status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(Device::Create({.threads = 1 << 20}).status().code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("The CPU device tells its name, threads and instruction set") {
  const auto device = Get(Device::Create({.threads = 2, .isa = Isa::kScalar}));
  CHECK(device->info().id == "cpu");
  CHECK(device->info().kind == DeviceKind::kCpu);
  CHECK(device->info().threads == 2);
  CHECK(device->info().isa == "scalar");
  CHECK(device->info().memory_total_bytes > 0);
}

TEST_CASE("A device counts the bytes of its buffers and fields") {
  const auto device = Get(Device::Create({.threads = 1}));
  Stream stream = Get(device->CreateStream());
  CHECK(device->memory_used_bytes() == 0);
  {
    Buffer a = Get(Buffer::Allocate(stream, 1000));
    CHECK(device->memory_used_bytes() == 1000);
    Buffer b = std::move(a);
    CHECK(device->memory_used_bytes() == 1000);
    b = Get(Buffer::Allocate(stream, 10));
    CHECK(device->memory_used_bytes() == 10);
    const auto field = Get(CreateField(stream, Constant(1, Box{})));
    CHECK(device->memory_used_bytes() == 10 + field->info().device_bytes);
    CHECK(field->info().device_bytes >= sizeof(float));
  }
  CHECK(device->memory_used_bytes() == 0);
}

TEST_CASE("A buffer outlives its stream and frees from any thread") {
  auto device = Get(Device::Create({.threads = 1}));
  Buffer buffer;
  {
    Stream stream = Get(device->CreateStream());
    buffer = Get(Buffer::Allocate(stream, 4096));
  }
  std::memset(buffer.data(), 7, buffer.size());
  const std::weak_ptr<Device> alive = device;
  device.reset();
  CHECK_FALSE(alive.expired());
  std::thread([b = std::move(buffer)]() mutable { b = Buffer(); }).join();
  CHECK(alive.expired());
}

TEST_CASE("Buffers are aligned to 64 bytes, and empty ones hold nothing") {
  Stream stream = Get(Cpu()->CreateStream());
  for (std::size_t bytes : {1, 63, 64, 65, 100000}) {
    const Buffer buffer = Get(Buffer::Allocate(stream, bytes));
    CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64 == 0);
    CHECK(buffer.size() == bytes);
  }
  CHECK(Get(Buffer::Allocate(stream, 0)).data() == nullptr);
}

TEST_CASE("More memory than the machine has is RESOURCE_EXHAUSTED") {
  Stream stream = Get(Cpu()->CreateStream());
  const std::uint64_t before = Cpu()->memory_used_bytes();
  CHECK(Buffer::Allocate(stream, std::size_t{1} << 60).status().code() == absl::StatusCode::kResourceExhausted);
  CHECK(Cpu()->memory_used_bytes() == before);
}

TEST_CASE("A tensor is contiguous in C order and copies back what it was given") {
  Stream stream = Get(Cpu()->CreateStream());
  const std::int64_t shape[3] = {2, 3, 4};
  Tensor tensor = Get(Tensor::Allocate(stream, DType::kF32, shape));
  CHECK(tensor.strides() == std::vector<std::int64_t>{12, 4, 1});
  CHECK(tensor.size() == 24);
  CHECK(tensor.bytes() == 96);
  std::vector<float> in(24), out(24);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i);
  Check(tensor.CopyFromHost(stream, in.data()));
  Check(tensor.CopyToHost(stream, out.data()));
  CHECK(in == out);
}

TEST_CASE("Narrowing a view moves its begin by whole strides and keeps them") {
  Stream stream = Get(Cpu()->CreateStream());
  const std::int64_t shape[3] = {5, 6, 3};
  const Tensor tensor = Get(Tensor::Allocate(stream, DType::kF64, shape));
  const TensorView part = Narrow(Narrow(tensor.view(), 0, 2, 2), 1, 4, 1);
  CHECK(part.struct_size == sizeof(hp_tensor));
  CHECK(part.rank == 3);
  CHECK(part.shape[0] == 2);
  CHECK(part.shape[1] == 1);
  CHECK(part.shape[2] == 3);
  CHECK(part.strides[0] == 18);
  CHECK(static_cast<std::byte*>(part.data) - tensor.data() == (2 * 18 + 4 * 3) * 8);
  CHECK(Narrow(Tensor().view(), 0, 1, 1).data == nullptr);
}

TEST_CASE("Shapes that no tensor can have are refused") {
  Stream stream = Get(Cpu()->CreateStream());
  const std::int64_t negative[2] = {3, -1};
  const std::int64_t rank_seven[7] = {1, 1, 1, 1, 1, 1, 1};
  const std::int64_t overflow[2] = {std::int64_t{1} << 32, std::int64_t{1} << 31};
  CHECK_THAT(MessageOf(Tensor::Allocate(stream, DType::kF32, negative).status()), Contains("shape[1] = -1"));
  CHECK_THAT(MessageOf(Tensor::Allocate(stream, DType::kF32, rank_seven).status()), Contains("rank = 7"));
  CHECK_THAT(MessageOf(Tensor::Allocate(stream, DType::kF32, overflow).status()), Contains("passes 2^63 bytes"));
}

}  // namespace
}  // namespace dvren::test
