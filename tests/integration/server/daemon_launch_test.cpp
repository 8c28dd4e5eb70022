// Small ray requests that share a launch: each has the values and counts that it has alone.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <future>
#include <random>
#include <thread>

#include "support/test_daemon.h"

namespace dvren::test {
namespace {

// A cloud of lumps, so that rays end in every way.
v1::CreateFieldRequest Lumps() {
  std::vector<float> values;
  for (int i = 0; i < 8 * 8 * 8; ++i) values.push_back(i % 3 == 0 ? 30.0f : i % 3 == 1 ? 0.5f : 0.0f);
  return RawField("lumps", {8, 8, 8, 1}, values);
}

template <class T>
void Set(const std::vector<T>& values, std::initializer_list<std::int64_t> shape, v1::DType dtype, v1::Tensor* tensor) {
  tensor->set_dtype(dtype);
  for (const std::int64_t n : shape) tensor->add_shape(n);
  tensor->mutable_payload()->set_inline_(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// `count` rays through the unit cube, others for each `seed`; some requests leave out what may be left out.
template <class Real>
v1::RenderRaysRequest SomeRays(int count, unsigned seed, v1::DType dtype) {
  v1::RenderRaysRequest request;
  request.mutable_scene()->add_instances()->set_field("lumps");
  request.mutable_sampling()->set_dt(0.02);
  request.mutable_sampling()->set_mode(v1::SAMPLING_MODE_STRATIFIED);
  request.mutable_sampling()->set_seed(7);
  request.mutable_sampling()->set_max_steps(45);  // less than the diagonal has
  request.add_aovs(v1::AOV_RGB);
  request.add_aovs(v1::AOV_DEPTH);
  if (dtype == v1::DTYPE_F64) request.set_precision(v1::PRECISION_F64);
  std::mt19937 random(seed);
  const auto uniform = [&] { return static_cast<double>(random()) / 4294967296.0; };
  std::vector<Real> origins, directions, t_near, t_far;
  std::vector<std::int64_t> ids;
  for (int i = 0; i < count; ++i) {
    const double from[3] = {-0.5, uniform(), uniform()}, to[3] = {1.5, uniform(), uniform()};
    const double length = std::hypot(to[0] - from[0], to[1] - from[1], to[2] - from[2]);
    for (int axis = 0; axis < 3; ++axis) {
      origins.push_back(static_cast<Real>(from[axis]));
      directions.push_back(static_cast<Real>((to[axis] - from[axis]) / length));
    }
    t_near.push_back(static_cast<Real>(0.1 * uniform()));
    t_far.push_back(static_cast<Real>(1 + uniform()));
    ids.push_back(static_cast<std::int64_t>(random()));
  }
  v1::Rays& rays = *request.mutable_rays();
  Set(origins, {count, 3}, dtype, rays.mutable_origins());
  Set(directions, {count, 3}, dtype, rays.mutable_directions());
  if (seed % 2 == 0) Set(t_near, {count}, dtype, rays.mutable_t_near());
  if (seed % 3 == 0) Set(t_far, {count}, dtype, rays.mutable_t_far());
  if (seed % 5 == 0) Set(ids, {count}, v1::DTYPE_I64, rays.mutable_ids());
  return request;
}

struct Answer {
  grpc::Status status;
  v1::RenderRaysResponse response;
};

// All at once, while a long render keeps the device busy: they wait together.
std::vector<Answer> AllAtOnce(TestDaemon& daemon, const std::vector<v1::RenderRaysRequest>& requests) {
  v1::RenderRequest picture = Picture("lumps", 2048, 1.0 / 500);
  picture.mutable_sampling()->set_early_stop(0);
  grpc::ClientContext long_context;
  const auto reader = daemon->render->Render(&long_context, picture);
  v1::RenderResponse message;
  REQUIRE(reader->Read(&message));
  std::vector<Answer> answers(requests.size());
  std::vector<grpc::ClientContext> contexts(requests.size());
  std::vector<std::promise<void>> done(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    daemon->render->async()->RenderRays(&contexts[i], &requests[i], &answers[i].response,
                                        [&answers, &done, i](grpc::Status status) {
                                          answers[i].status = std::move(status);
                                          done[i].set_value();
                                        });
  }
  for (std::promise<void>& promise : done) promise.get_future().wait();
  long_context.TryCancel();
  while (reader->Read(&message)) {
  }
  reader->Finish();
  return answers;
}

std::string BytesOf(const v1::RenderRaysResponse& response) {
  std::string bytes;
  for (const v1::AovTensor& image : response.images()) bytes += image.tensor().payload().inline_();
  return bytes;
}

}  // namespace

TEMPLATE_TEST_CASE("Requests that share a launch have the bits and the counts that they have alone", "", float,
                   double) {
  const v1::DType dtype = sizeof(TestType) == 8 ? v1::DTYPE_F64 : v1::DTYPE_F32;
  TestDaemon daemon, alone([](server::Config&config) { config.limits.launch_rays = 0; });
  REQUIRE(Create(*daemon, Lumps()).first.ok());
  REQUIRE(Create(*alone, Lumps()).first.ok());
  std::vector<v1::RenderRaysRequest> requests;
  for (unsigned i = 0; i < 40; ++i) requests.push_back(SomeRays<TestType>(1 + static_cast<int>(i * i % 300), i, dtype));
  const std::vector<Answer> answers = AllAtOnce(daemon, requests);
  int shared = 0;
  std::int64_t truncated = 0, stopped = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    CAPTURE(i);
    grpc::ClientContext context;
    v1::RenderRaysResponse expected;
    REQUIRE(alone->render->RenderRays(&context, requests[i], &expected).ok());
    REQUIRE(answers[i].status.ok());
    const v1::RenderRaysResponse& got = answers[i].response;
    CHECK(BytesOf(got) == BytesOf(expected));
    CHECK(got.stats().rays() == expected.stats().rays());
    CHECK(got.stats().samples() == expected.stats().samples());
    CHECK(got.stats().early_stopped_rays() == expected.stats().early_stopped_rays());
    CHECK(got.stats().truncated_rays() == expected.stats().truncated_rays());
    CHECK(got.warnings_size() == expected.warnings_size());
    CHECK(expected.stats().launch_rays() == expected.stats().rays());
    CHECK(got.stats().launch_rays() >= got.stats().rays());
    shared += got.stats().launch_rays() > got.stats().rays() ? 1 : 0;
    truncated += got.stats().truncated_rays();
    stopped += got.stats().early_stopped_rays();
  }
  CHECK(shared >= 30);
  CHECK(truncated > 0);
  CHECK(stopped > 0);
}

TEST_CASE("Requests whose field is not there each hear so, and do not disturb those that share another launch") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, Lumps()).first.ok());
  std::vector<v1::RenderRaysRequest> requests;
  for (unsigned i = 0; i < 20; ++i) {
    requests.push_back(SomeRays<float>(16, i, v1::DTYPE_F32));
    if (i % 2 == 1) requests.back().mutable_scene()->mutable_instances(0)->set_field("nowhere");
  }
  const std::vector<Answer> answers = AllAtOnce(daemon, requests);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    CAPTURE(i);
    CHECK(answers[i].status.error_code() == (i % 2 == 1 ? grpc::StatusCode::NOT_FOUND : grpc::StatusCode::OK));
  }
}

TEST_CASE("Batches of a stream share launches with single requests") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, Lumps()).first.ok());
  const v1::RenderRaysRequest of_stream = SomeRays<float>(64, 11, v1::DTYPE_F32);
  v1::StreamRaysRequest header, batch;
  *header.mutable_header()->mutable_scene() = of_stream.scene();
  *header.mutable_header()->mutable_sampling() = of_stream.sampling();
  *header.mutable_header()->mutable_aovs() = of_stream.aovs();
  *batch.mutable_batch()->mutable_rays() = of_stream.rays();
  grpc::ClientContext context;
  const auto stream = daemon->render->StreamRays(&context);
  REQUIRE(stream->Write(header));
  std::string expected;
  {
    grpc::ClientContext single;
    v1::RenderRaysResponse response;
    REQUIRE(daemon->render->RenderRays(&single, of_stream, &response).ok());
    expected = BytesOf(response);
  }
  // Whether a batch finds company depends on when it comes: often enough it does.
  std::int64_t most = 0;
  std::atomic<bool> over{false};
  std::vector<std::thread> others;
  for (unsigned t = 0; t < 4; ++t) {
    others.emplace_back([&, t] {
      const v1::RenderRaysRequest request = SomeRays<float>(200, t, v1::DTYPE_F32);
      while (!over) {
        grpc::ClientContext single;
        v1::RenderRaysResponse response;
        if (!daemon->render->RenderRays(&single, request, &response).ok()) return;
      }
    });
  }
  int wrong = 0;
  for (int i = 0; i < 200; ++i) {
    v1::StreamRaysResponse response;
    if (!stream->Write(batch) || !stream->Read(&response)) {
      ++wrong;
      break;
    }
    std::string bytes;
    for (const v1::AovTensor& image : response.images()) bytes += image.tensor().payload().inline_();
    wrong += bytes != expected || response.stats().rays() != 64 ? 1 : 0;
    most = std::max(most, response.stats().launch_rays());
  }
  over = true;
  for (std::thread& thread : others) thread.join();
  stream->WritesDone();
  CHECK(stream->Finish().ok());
  CHECK(wrong == 0);
  CHECK(most > 64);
}

}  // namespace dvren::test
