// Forward and Backward over the wire: what comes back is the analytic gradient.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <numeric>

#include "support/gradient_calls.h"

namespace dvren::test {
namespace {

constexpr int kEdge = 96;

std::vector<float> Ramp(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = 0.25f + static_cast<float>(i % 7) / 8;
  return values;
}

double Sum(const std::vector<float>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

v1::RenderRequest ColouredPicture(const std::string& field) {
  v1::RenderRequest request = Picture(field, kEdge, 0.05);
  request.set_tile(32);
  request.add_aovs(v1::AOV_RGB);
  request.add_aovs(v1::AOV_OPACITY);
  request.add_aovs(v1::AOV_DEPTH);
  request.mutable_scene()->mutable_background()->set_y(0.5);
  return request;
}

void Copy(const v1::Roi& whole, const v1::RenderTile& tile, int image, std::string& to) {
  const std::string& from = tile.images(image).tensor().payload().inline_();
  const std::size_t row = from.size() / static_cast<std::size_t>(tile.roi().height());
  const std::size_t pixel = row / static_cast<std::size_t>(tile.roi().width());
  to.resize(pixel * static_cast<std::size_t>(whole.width() * whole.height()));
  for (int y = 0; y < tile.roi().height(); ++y) {
    const int at = (tile.roi().y() - whole.y() + y) * whole.width() + tile.roi().x() - whole.x();
    std::memcpy(to.data() + static_cast<std::size_t>(at) * pixel, from.data() + static_cast<std::size_t>(y) * row, row);
  }
}

TEST_CASE("A forward's images are those of a render, bit by bit") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, RawField("noise", {6, 5, 4, 1}, Ramp(120))).first.ok());
  v1::RenderRequest picture = ColouredPicture("noise");
  picture.mutable_roi()->set_x(5);
  picture.mutable_roi()->set_y(7);
  picture.mutable_roi()->set_width(71);
  picture.mutable_roi()->set_height(50);
  const RenderResult render = Render(*daemon, picture);
  REQUIRE(render.status.error_message() == "");
  const ForwardResult forward = Forward(*daemon, ForwardOf(picture));
  REQUIRE(forward.status.error_message() == "");
  CHECK(forward.header.tiles() == static_cast<int>(forward.tiles.size()));
  CHECK(forward.tiles.size() == static_cast<std::size_t>(render.tiles));
  for (int image = 0; image < 3; ++image) {
    std::string bytes;
    for (const v1::RenderTile& tile : forward.tiles) Copy(forward.header.roi(), tile, image, bytes);
    CHECK(bytes == render.images[static_cast<std::size_t>(image)].second);
  }
  const v1::Tape& tape = forward.summary.tape();
  CHECK(tape.name().rfind("tapes/", 0) == 0);
  CHECK(tape.bytes() == 71 * 50 * 5 * sizeof(float));
  CHECK(tape.width() == 71);
  CHECK(tape.height() == 50);
  CHECK(tape.field_version() == 1);
  CHECK(tape.precision() == v1::PRECISION_F32);
  CHECK(tape.expire_time().seconds() > 0);
  CHECK(forward.summary.stats().rays() == 71 * 50);
}

TEST_CASE("The gradient of opacity through a slab is the slab's length times its transmittance") {
  TestDaemon daemon;
  const float sigma = 1.5f;
  REQUIRE(Create(*daemon, RawField("slab", {4, 4, 4, 1}, std::vector<float>(64, sigma))).first.ok());
  const ForwardResult forward = Forward(*daemon, ForwardOf(ColouredPicture("slab")));
  REQUIRE(forward.status.error_message() == "");
  const BackwardResult backward = Backward(*daemon,
                                           Header(forward.tape(),
                                                  [](v1::GradientRequest& want) {
                                                    want.set_values(true);
                                                    want.set_scene(true);
                                                    want.set_step(true);
                                                    want.set_camera(true);
                                                  }),
                                           Adjoints(forward, v1::AOV_OPACITY));
  REQUIRE(backward.status.error_message() == "");
  REQUIRE(backward.values.has_value());
  CHECK(backward.values->dtype() == v1::DTYPE_F32);
  CHECK(std::vector<std::int64_t>(backward.values->shape().begin(), backward.values->shape().end()) ==
        std::vector<std::int64_t>{4, 4, 4, 1});
  CHECK(backward.values->origins_bytes() == 0);
  REQUIRE(backward.floats().size() == 64);
  // The image is the slab's front, every ray goes through its length of 1.
  const double expected = kEdge * kEdge * std::exp(-sigma);
  CHECK(Sum(backward.floats()) == Approx(expected).epsilon(1e-4));
  // dO/d(scale) = sigma L exp(-sigma L).
  CHECK(backward.summary.gradients().scene().sigma_scale() == Approx(sigma * expected).epsilon(1e-4));
  CHECK(backward.summary.gradients().has_dt());
  CHECK(backward.summary.gradients().has_camera());
  CHECK(backward.summary.value_stats().count() == 64);
  CHECK(backward.summary.value_stats().not_finite() == 0);
  CHECK(backward.summary.stats().rays() == kEdge * kEdge);
  CHECK(backward.summary.stats().samples() > 0);
  CHECK(backward.summary.request_id() != "");
  // A successful pass uses the tape up.
  CHECK(ReleaseTape(*daemon, forward.tape()).error_code() == grpc::StatusCode::NOT_FOUND);
}

TEST_CASE("A tape that is kept gives the same gradient again, to the bit") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, RawField("noise", {6, 5, 4, 1}, Ramp(120))).first.ok());
  const ForwardResult forward = Forward(*daemon, ForwardOf(ColouredPicture("noise")));
  REQUIRE(forward.status.error_message() == "");
  v1::BackwardHeader header = Header(forward.tape(), [](v1::GradientRequest& want) {
    want.set_values(true);
    want.set_dtype(v1::DTYPE_F64);
  });
  header.set_keep_tape(true);
  std::vector<v1::RenderTile> adjoints = Adjoints(forward, v1::AOV_RGB, 0.5f);
  const BackwardResult first = Backward(*daemon, header, adjoints);
  REQUIRE(first.status.error_message() == "");
  CHECK(first.values->dtype() == v1::DTYPE_F64);
  CHECK(first.bytes.size() == 120 * sizeof(double));
  std::reverse(adjoints.begin(), adjoints.end());  // tiles come in any order
  const BackwardResult second = Backward(*daemon, header, adjoints);
  REQUIRE(second.status.error_message() == "");
  CHECK(first.bytes == second.bytes);
  CHECK(ReleaseTape(*daemon, forward.tape()).ok());
}

TEST_CASE("Passes that accumulate add up exactly, in the field's own gradient") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, RawField("noise", {6, 5, 4, 1}, Ramp(120))).first.ok());
  CHECK(DownloadGradient(*daemon, "noise").status.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
  const ForwardResult forward = Forward(*daemon, ForwardOf(ColouredPicture("noise")));
  REQUIRE(forward.status.error_message() == "");
  const std::vector<v1::RenderTile> adjoints = Adjoints(forward, v1::AOV_RGB);
  v1::BackwardHeader header = Header(forward.tape(), [](v1::GradientRequest& want) { want.set_accumulate(true); });
  header.set_keep_tape(true);
  const BackwardResult once = Backward(*daemon, header, adjoints);
  REQUIRE(once.status.error_message() == "");
  CHECK_FALSE(once.values.has_value());
  CHECK(once.summary.value_stats().count() == 120);
  const GradientDownloadResult single = DownloadGradient(*daemon, "noise");
  REQUIRE(single.status.error_message() == "");
  CHECK(single.field.display_name() == "noise");
  CHECK(single.gradient.shape_size() == 4);
  header.mutable_want()->set_values(true);  // of the sum so far
  const BackwardResult twice = Backward(*daemon, header, adjoints);
  REQUIRE(twice.status.error_message() == "");
  const GradientDownloadResult sum = DownloadGradient(*daemon, "noise");
  REQUIRE(sum.status.error_message() == "");
  CHECK(sum.gradient.exponent() == single.gradient.exponent());
  CHECK(sum.bytes == twice.bytes);
  const std::vector<float> a = single.floats(), b = sum.floats();
  REQUIRE(a.size() == 120);
  for (std::size_t i = 0; i < a.size(); ++i) REQUIRE(b[i] == 2 * a[i]);
  // Resumed, and in double precision.
  CHECK(DownloadGradient(*daemon, "noise", 100).bytes == sum.bytes.substr(100));
  CHECK(DownloadGradient(*daemon, "noise", sum.bytes.size()).bytes.empty());
  CHECK(DownloadGradient(*daemon, "noise", sum.bytes.size() + 1).status.error_code() ==
        grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(DownloadGradient(*daemon, "noise", 0, v1::DTYPE_F64).bytes.size() == 120 * sizeof(double));
  CHECK(DownloadGradient(*daemon, "noise", 0, v1::DTYPE_F16).status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);

  REQUIRE(ZeroGradients(*daemon, "noise").ok());
  const GradientDownloadResult zero = DownloadGradient(*daemon, "noise");
  REQUIRE(zero.status.error_message() == "");
  CHECK(zero.bytes == std::string(120 * sizeof(float), '\0'));
}

TEST_CASE("The exponent of sums is the field gradient's own") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, RawField("noise", {6, 5, 4, 1}, Ramp(120))).first.ok());
  const ForwardResult forward = Forward(*daemon, ForwardOf(ColouredPicture("noise")));
  REQUIRE(forward.status.error_message() == "");
  const std::vector<v1::RenderTile> adjoints = Adjoints(forward, v1::AOV_RGB);
  v1::BackwardHeader header = Header(forward.tape(), [](v1::GradientRequest& want) {
    want.set_accumulate(true);
    want.set_exponent(-30);
  });
  header.set_keep_tape(true);
  REQUIRE(Backward(*daemon, header, adjoints).status.error_message() == "");
  CHECK(DownloadGradient(*daemon, "noise").gradient.exponent() == -30);
  REQUIRE(Backward(*daemon, header, adjoints).status.error_message() == "");
  header.mutable_want()->set_exponent(-29);
  const BackwardResult other = Backward(*daemon, header, adjoints);
  CHECK(other.status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(other.status.error_message().find("want.exponent = -29: the gradient of ") == 0);
  CHECK(DownloadGradient(*daemon, "noise").status.ok());  // refused before anything was added
  header.mutable_want()->set_exponent(61);
  CHECK(Backward(*daemon, header, adjoints).status.error_message().find("want.exponent = 61: must be -100 to 60") == 0);
  CHECK(ZeroGradients(*daemon, "noise", -101).error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  REQUIRE(ZeroGradients(*daemon, "noise", -29).ok());
  header.mutable_want()->set_exponent(-29);
  CHECK(Backward(*daemon, header, adjoints).status.error_message() == "");
}

TEST_CASE("A pass that leaves the range of its fixed point spoils the gradient until it is zeroed") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, RawField("noise", {6, 5, 4, 1}, Ramp(120))).first.ok());
  const ForwardResult forward = Forward(*daemon, ForwardOf(ColouredPicture("noise")));
  REQUIRE(forward.status.error_message() == "");
  v1::BackwardHeader header = Header(forward.tape(), [](v1::GradientRequest& want) {
    want.set_accumulate(true);
    want.set_exponent(-100);
  });
  header.set_keep_tape(true);
  const std::vector<v1::RenderTile> adjoints = Adjoints(forward, v1::AOV_RGB);
  const BackwardResult overflow = Backward(*daemon, header, adjoints);
  CHECK(overflow.status.error_code() == grpc::StatusCode::OUT_OF_RANGE);
  CHECK(DownloadGradient(*daemon, "noise").status.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
  CHECK(Backward(*daemon, header, adjoints).status.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
  REQUIRE(ZeroGradients(*daemon, "noise").ok());
  header.mutable_want()->clear_exponent();
  CHECK(Backward(*daemon, header, adjoints).status.error_message() == "");
  CHECK(DownloadGradient(*daemon, "noise").status.ok());
}

v1::RenderRequest SkewPicture(const std::string& field, v1::AxisConvention convention) {
  v1::RenderRequest request = Picture(field, 48, 0.05);
  v1::Camera* camera = request.mutable_camera();
  camera->mutable_pinhole()->set_fx(60);
  camera->mutable_pinhole()->set_fy(60);
  camera->set_convention(convention);
  const double c = std::cos(0.2), s = std::sin(0.2), flip = convention == v1::AXIS_CONVENTION_OPENGL ? -1 : 1;
  camera->mutable_camera_to_world()->clear_m();
  for (const double m : {c, 0.0, flip * s, 0.2, 0.0, flip * 1.0, 0.0, 0.5, -s, 0.0, flip * c, -1.0}) {
    camera->mutable_camera_to_world()->add_m(m);
  }
  request.add_aovs(v1::AOV_OPACITY);
  return request;
}

TEST_CASE("The camera's gradient is in the axes of the request's convention") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, RawField("noise", {6, 5, 4, 1}, Ramp(120))).first.ok());
  const auto gradient = [&](v1::AxisConvention convention) {
    const ForwardResult forward = Forward(*daemon, ForwardOf(SkewPicture("noise", convention)));
    REQUIRE(forward.status.error_message() == "");
    const BackwardResult backward =
        Backward(*daemon, Header(forward.tape(), [](v1::GradientRequest& want) { want.set_camera(true); }),
                 Adjoints(forward, v1::AOV_OPACITY));
    REQUIRE(backward.status.error_message() == "");
    return backward.summary.gradients().camera();
  };
  const v1::CameraGradient cv = gradient(v1::AXIS_CONVENTION_OPENCV), gl = gradient(v1::AXIS_CONVENTION_OPENGL);
  REQUIRE(cv.camera_to_world().m_size() == 12);
  for (int i = 0; i < 12; ++i) {
    const double sign = i % 4 == 1 || i % 4 == 2 ? -1 : 1;
    CHECK(gl.camera_to_world().m(i) == sign * cv.camera_to_world().m(i));
  }
  CHECK(std::abs(cv.v().x()) > 1e-3);
  CHECK(std::abs(cv.omega().y()) > 1e-3);
  CHECK(std::abs(cv.fx()) > 1e-6);
  CHECK(gl.v().x() == cv.v().x());
  CHECK(gl.omega().y() == cv.omega().y());
  CHECK(gl.fx() == cv.fx());
}

// N rays along +z into the unit cube.
v1::Rays RaysInto(int n) {
  std::vector<float> origins, directions;
  for (int i = 0; i < n; ++i) {
    for (const float x : {(static_cast<float>(i % 16) + 0.5f) / 16, 0.5f, -1.0f}) origins.push_back(x);
    for (const float x : {0.0f, 0.0f, 1.0f}) directions.push_back(x);
  }
  v1::Rays rays;
  for (auto [tensor, values] :
       {std::pair{rays.mutable_origins(), &origins}, {rays.mutable_directions(), &directions}}) {
    tensor->set_dtype(v1::DTYPE_F32);
    tensor->add_shape(n);
    tensor->add_shape(3);
    tensor->mutable_payload()->set_inline_(reinterpret_cast<const char*>(values->data()),
                                           values->size() * sizeof(float));
  }
  return rays;
}

TEST_CASE("A tape of given rays gives gradients of the rays") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, RawField("slab", {4, 4, 4, 1}, std::vector<float>(64, 2))).first.ok());
  v1::ForwardRequest request;
  request.mutable_rays()->mutable_scene()->add_instances()->set_field("slab");
  *request.mutable_rays()->mutable_rays() = RaysInto(20000);
  request.mutable_rays()->mutable_sampling()->set_dt(0.1);
  request.mutable_rays()->add_aovs(v1::AOV_OPACITY);
  const ForwardResult forward = Forward(*daemon, request);
  REQUIRE(forward.status.error_message() == "");
  CHECK(forward.tiles.size() == 2);
  CHECK(forward.summary.tape().width() == 20000);
  CHECK(forward.summary.tape().height() == 1);
  CHECK(FloatsOf(forward.tiles[1].images(0).tensor().payload().inline_()).back() ==
        Approx(1 - std::exp(-2.0)).epsilon(1e-5));
  v1::Roi whole;
  whole.set_width(20000);
  whole.set_height(1);
  const BackwardResult backward = Backward(*daemon,
                                           Header(forward.tape(),
                                                  [](v1::GradientRequest& want) {
                                                    want.set_rays(true);
                                                    want.set_values(true);
                                                  }),
                                           {AdjointTile(v1::AOV_OPACITY, whole, 1)});
  REQUIRE(backward.status.error_message() == "");
  CHECK(Sum(backward.floats()) == Approx(20000 * std::exp(-2.0)).epsilon(1e-4));
  const v1::RayGradient& rays = backward.summary.gradients().rays();
  CHECK(rays.origins().shape_size() == 2);
  CHECK(rays.origins().shape(0) == 20000);
  CHECK(rays.t_near().payload().inline_().size() == 20000 * sizeof(float));
  // A camera's gradient it has not.
  const ForwardResult again = Forward(*daemon, request);
  CHECK(Backward(*daemon, Header(again.tape(), [](v1::GradientRequest& want) { want.set_camera(true); }), {})
            .status.error_message()
            .find("want.camera = true") == 0);
}

TEST_CASE("StreamRays answers batches in order, forward and backward") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, RawField("slab", {4, 4, 4, 1}, std::vector<float>(64, 2))).first.ok());
  grpc::ClientContext context;
  const auto stream = daemon->render->StreamRays(&context);
  v1::StreamRaysRequest request;
  request.mutable_header()->mutable_scene()->add_instances()->set_field("slab");
  request.mutable_header()->mutable_sampling()->set_dt(0.1);
  request.mutable_header()->add_aovs(v1::AOV_OPACITY);
  request.mutable_header()->mutable_want()->set_accumulate(true);
  request.mutable_header()->mutable_want()->set_rays(true);
  REQUIRE(stream->Write(request));
  const std::vector<int> sizes{3, 100, 7, 64};
  for (const int n : sizes) {  // all at once: answers queue in order
    v1::RayBatch* batch = request.mutable_batch();
    batch->Clear();
    *batch->mutable_rays() = RaysInto(n);
    if (n != 7) {
      v1::Roi roi;
      roi.set_width(n);
      roi.set_height(1);
      *batch->add_adjoints() = AdjointTile(v1::AOV_OPACITY, roi, 1).images(0);
      batch->mutable_adjoints(0)->mutable_tensor()->clear_shape();
      batch->mutable_adjoints(0)->mutable_tensor()->add_shape(n);
    }
    REQUIRE(stream->Write(request));
  }
  stream->WritesDone();
  v1::StreamRaysResponse response;
  for (const int n : sizes) {
    REQUIRE(stream->Read(&response));
    CHECK(response.images(0).tensor().shape(0) == n);
    CHECK(response.stats().rays() == n);
    CHECK(response.has_gradients() == (n != 7));
    if (n != 7) CHECK(response.gradients().rays().origins().shape(0) == n);
  }
  CHECK_FALSE(stream->Read(&response));
  CHECK(stream->Finish().error_message() == "");
  CHECK(Sum(DownloadGradient(*daemon, "slab").floats()) == Approx(167 * std::exp(-2.0)).epsilon(1e-4));
}

TEST_CASE("StreamRays refuses what makes no sense") {
  TestDaemon daemon;
  REQUIRE(Create(*daemon, ConstantField("fog", 1)).first.ok());
  v1::StreamRaysRequest header, batch;
  header.mutable_header()->mutable_scene()->add_instances()->set_field("fog");
  *batch.mutable_batch()->mutable_rays() = RaysInto(4);
  const auto outcome = [&](const std::vector<v1::StreamRaysRequest>& messages) {
    grpc::ClientContext context;
    const auto stream = daemon->render->StreamRays(&context);
    for (const v1::StreamRaysRequest& message : messages) {
      if (!stream->Write(message)) break;
    }
    stream->WritesDone();
    v1::StreamRaysResponse response;
    while (stream->Read(&response)) {
    }
    return stream->Finish().error_message();
  };
  CHECK(outcome({header, batch}) == "");
  CHECK(outcome({}).find("part = absent") == 0);
  CHECK(outcome({batch}).find("part = not a header") == 0);
  CHECK(outcome({header, header}).find("part = not a batch") == 0);
  v1::StreamRaysRequest with_adjoints = batch;
  v1::Roi roi;
  roi.set_width(4);
  roi.set_height(1);
  *with_adjoints.mutable_batch()->add_adjoints() = AdjointTile(v1::AOV_OPACITY, roi, 1).images(0);
  CHECK(outcome({header, with_adjoints}).find("batch.adjoints = 1 images") == 0);
  v1::StreamRaysRequest wanting = header;
  wanting.mutable_header()->mutable_want()->set_rays(true);
  CHECK(outcome({wanting, with_adjoints}).find("batch.adjoints[0].shape = (1, 4): must be (4)") == 0);
  wanting.mutable_header()->mutable_want()->set_camera(true);
  CHECK(outcome({wanting}).find("want.camera = true") == 0);
  wanting.mutable_header()->mutable_want()->set_values(true);
  CHECK(outcome({wanting}).find("want.values = true") == 0);
}

}  // namespace
}  // namespace dvren::test
