#include "server/services/forward_stream.h"

#include <utility>

#include "google/protobuf/util/time_util.h"
#include "server/codec/tensor_codec.h"

namespace dvren::server {
namespace {

double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

ForwardStream::ForwardStream(ServiceContext& context, grpc::CallbackServerContext* call,
                             const v1::ForwardRequest& request)
    : ParkingStream(context, call, "RenderService/Forward"), request_(request) {}

ForwardStream* ForwardStream::Start(ServiceContext& context, grpc::CallbackServerContext* call,
                                    const v1::ForwardRequest& request) {
  return ParkingStream::Begin(std::shared_ptr<ForwardStream>(new ForwardStream(context, call, request)),
                              [](ForwardStream& stream) { return stream.Submit(); });
}

absl::Status ForwardStream::Submit() {
  DVREN_ASSIGN_OR_RETURN(lease_, context_.tapes.DecodeLease(request_.has_lease() ? &request_.lease() : nullptr));
  DVREN_ASSIGN_OR_RETURN(spec_, DecodeForwardRequest(request_, context_.config.limits.max_image_edge));
  return ParkingStream::Submit(spec_.image ? request_.image().device() : request_.rays().device());
}

SliceResult ForwardStream::RunSlice(Stream& stream) {
  if (ShouldPark()) return SliceResult::kParked;
  absl::Status status = pass_ == nullptr ? Begin(stream) : RunNext(stream);
  if (status.ok() && next_tile_ < pass_->tiles()) return SliceResult::kMore;
  if (status.ok()) status = KeepTape();
  pass_.reset();  // what it holds of a failed forward is of no use
  End(status);
  return SliceResult::kDone;
}

absl::Status ForwardStream::Begin(Stream& stream) {
  first_slice_ = Clock::now();
  DVREN_ASSIGN_OR_RETURN(pass_, MakeForwardPass(context_.fields, context_.tapes, stream, *scope_.tenant(), spec_,
                                                context_.config.limits.max_message_bytes));
  auto message = std::make_unique<v1::ForwardResponse>();
  pass_->EncodeHeader(message->mutable_header());
  message->mutable_header()->set_request_id(scope_.request_id());
  message->mutable_header()->set_device(stream.device()->info().id);
  Push(std::move(message));
  return absl::OkStatus();
}

absl::Status ForwardStream::RunNext(Stream& stream) {
  auto message = std::make_unique<v1::ForwardResponse>();
  RenderStats tile;
  DVREN_RETURN_IF_ERROR(pass_->RunTile(stream, next_tile_, message->mutable_tile(), tile));
  context_.metrics.Kernel("forward", stream.device()->info().id, static_cast<double>(tile.rays),
                          static_cast<double>(tile.samples), tile.wall_seconds);
  stats_ += tile;
  ++next_tile_;
  Push(std::move(message));
  return absl::OkStatus();
}

absl::Status ForwardStream::KeepTape() {
  const SamplingSpec sampling = pass_->spec().sampling;
  auto message = std::make_unique<v1::ForwardResponse>();
  v1::ForwardSummary* summary = message->mutable_summary();
  EncodeStats(stats_, summary->mutable_stats());
  summary->mutable_stats()->set_queue_seconds(Seconds(first_slice_ - scope_.start()));
  summary->mutable_stats()->set_total_seconds(Seconds(Clock::now() - scope_.start()));
  for (std::string& warning : WarningsOf(stats_, sampling)) summary->add_warnings(std::move(warning));
  DVREN_ASSIGN_OR_RETURN(KeptTape kept, pass_->TakeTape());
  kept.convention = spec_.convention;
  v1::Tape* tape = summary->mutable_tape();
  tape->set_bytes(kept.charge.bytes());
  tape->set_field(kept.field);
  tape->set_field_version(kept.field_version);
  tape->set_width(static_cast<std::int32_t>(kept.tape.width()));
  tape->set_height(static_cast<std::int32_t>(kept.tape.height()));
  const bool f64 = kept.tape.plan()->spec().precision == Precision::kF64;
  tape->set_precision(f64 ? v1::PRECISION_F64 : v1::PRECISION_F32);
  DVREN_ASSIGN_OR_RETURN(const TapeRegistry::Ticket ticket, context_.tapes.Keep(std::move(kept), lease_));
  tape_ = ticket.name;
  tape->set_name(ticket.name);
  *tape->mutable_expire_time() = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(
      std::chrono::duration_cast<std::chrono::nanoseconds>(ticket.expires.time_since_epoch()).count());
  scope_.Note({"tape", ticket.name});
  Push(std::move(message));
  return absl::OkStatus();
}

void ForwardStream::Abort(const absl::Status& why) {
  pass_.reset();
  End(why);
}

void ForwardStream::OnFinish(const absl::Status& status) {
  // Its name was never heard of. NOT_FOUND: it has expired meanwhile.
  if (!status.ok() && !tape_.empty()) static_cast<void>(context_.tapes.Release(*scope_.tenant(), tape_));
}

}  // namespace dvren::server
