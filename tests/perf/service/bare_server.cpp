#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <string>

#include "benches.h"
#include "dvren/v1/job_service.grpc.pb.h"
#include "dvren/v1/render_service.grpc.pb.h"

namespace dvren::bench {
namespace {

// An answer as the daemon gives it: names, times, the spec that was asked for.
v1::Job SomeJob() {
  v1::Job job;
  job.set_name("jobs/123456");
  job.set_owner("default");
  job.set_kind("render_sequence");
  job.set_title("bench");
  job.set_state(v1::JOB_STATE_QUEUED);
  job.set_job_class(v1::JOB_CLASS_BATCH);
  job.set_max_attempts(3);
  job.set_total(1);
  job.mutable_create_time()->set_seconds(1700000000);
  job.set_last_event(1);
  return job;
}

class BareJobs final : public v1::JobService::CallbackService {
 public:
  grpc::ServerUnaryReactor* SubmitJob(grpc::CallbackServerContext* call, const v1::SubmitJobRequest* request,
                                      v1::Job* response) override {
    *response = job_;
    *response->mutable_spec() = request->spec();
    return Done(call);
  }
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* call, const v1::GetJobRequest*,
                                   v1::Job* response) override {
    *response = job_;
    return Done(call);
  }

 private:
  static grpc::ServerUnaryReactor* Done(grpc::CallbackServerContext* call) {
    grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  const v1::Job job_ = SomeJob();
};

class BareRenders final : public v1::RenderService::CallbackService {
 public:
  grpc::ServerUnaryReactor* RenderRays(grpc::CallbackServerContext* call, const v1::RenderRaysRequest* request,
                                       v1::RenderRaysResponse* response) override {
    const std::int64_t rays = request->rays().origins().shape(0);
    v1::AovTensor& image = *response->add_images();
    image.set_aov(v1::AOV_RGB);
    image.mutable_tensor()->set_dtype(v1::DTYPE_F32);
    image.mutable_tensor()->add_shape(rays);
    image.mutable_tensor()->add_shape(3);
    image.mutable_tensor()->mutable_payload()->mutable_inline_()->resize(static_cast<std::size_t>(rays) * 3 *
                                                                         sizeof(float));
    grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

}  // namespace

int ServeBare(const std::string& listen) {
  BareJobs jobs;
  BareRenders renders;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(listen, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&jobs);
  builder.RegisterService(&renders);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::fprintf(stderr, "dvren_bench_service: listen = %s: cannot be served\n", listen.c_str());
    return 1;
  }
  std::printf("127.0.0.1:%d\n", port);
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  server->Shutdown();
  return 0;
}

}  // namespace dvren::bench
