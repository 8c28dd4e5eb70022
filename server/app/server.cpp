#include "server/app/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>
#include <unordered_map>

#include "dvren/core/status.h"
#include "server/app/build_info.h"
#include "server/app/data_dir_lock.h"
#include "server/app/device_selection.h"
#include "server/app/exit_code.h"
#include "server/app/grpc_log.h"
#include "server/app/job_storage.h"
#include "server/app/listen_address.h"
#include "server/app/listen_probe.h"
#include "server/app/ready_file.h"
#include "server/app/service_context.h"
#include "server/app/shutdown_signals.h"
#include "server/app/tls_credentials.h"
#include "server/jobs/job_store.h"
#include "server/jobs/mutex.h"
#include "server/jobs/scheduler.h"
#include "server/jobs/thread_annotations.h"
#include "server/metrics/metrics.h"
#include "server/metrics/metrics_endpoint.h"
#include "server/middleware/tenant_resolver.h"
#include "server/registries/checkpoint_store.h"
#include "server/registries/field_registry.h"
#include "server/registries/gradient_registry.h"
#include "server/registries/session_registry.h"
#include "server/registries/tape_registry.h"
#include "server/registries/upload_store.h"
#include "server/services/admin_service.h"
#include "server/services/field_service.h"
#include "server/services/job_results.h"
#include "server/services/job_runner.h"
#include "server/services/job_service.h"
#include "server/services/render_service.h"
#include "server/services/training_service.h"

namespace dvren::server {
namespace {

using std::chrono::milliseconds;

// Room for a message's other fields beside a payload of max_message_bytes.
constexpr std::uint64_t kMessageHeadroomBytes = std::uint64_t{64} << 10;
// What is left after a drain (health watchers, idle streams) is cut off this soon.
constexpr milliseconds kCutOff{200};

// gRPC's reflection library registers itself when it is loaded; switching it off means taking it out again.
class WithoutReflection final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->erase(std::remove_if(plugins->begin(), plugins->end(),
                                  [](const auto& plugin) { return plugin->name() == "proto_server_reflection"; }),
                   plugins->end());
  }
};

const char* RejectReason(const absl::Status& why) {
  switch (why.code()) {
    case absl::StatusCode::kResourceExhausted:
      return "queue_full";
    case absl::StatusCode::kDeadlineExceeded:
      return "deadline";
    case absl::StatusCode::kNotFound:
      return "device";
    default:
      return "unavailable";
  }
}

SchedulerObserver ObserveInto(Metrics& metrics, Logger& logger) {
  SchedulerObserver observer;
  observer.on_start = [&metrics](const WorkOptions& work, double wait_seconds) {
    metrics.QueueWait(WorkClassName(work.work_class), wait_seconds);
  };
  observer.on_slice = [&metrics](const WorkOptions& work, const std::string& device, double seconds) {
    metrics.DeviceSeconds(work.tenant, device, seconds);
  };
  observer.on_abort = [&metrics](const WorkOptions&, const absl::Status&, WorkStage stage, double) {
    metrics.Cancelled(WorkStageName(stage));
  };
  observer.on_reject = [&metrics](const WorkOptions&, const absl::Status& why) { metrics.Rejected(RejectReason(why)); };
  observer.on_device_failure = [&logger](const std::string& device, const absl::Status& why) {
    logger.Error("device failed; it gets no more work", {{"device", device}, {"error", std::string(why.message())}});
  };
  return observer;
}

std::unordered_map<std::string, double> WeightsOf(const std::vector<TenantShare>& tenants) {
  std::unordered_map<std::string, double> weights;
  for (const TenantShare& share : tenants) weights[share.tenant] = share.weight;
  return weights;
}

TenantWeight WeightBy(const std::vector<TenantShare>& tenants) {
  return [weights = WeightsOf(tenants)](const std::string& tenant) {
    const auto it = weights.find(tenant);
    return it == weights.end() ? 1.0 : it->second;
  };
}

std::int64_t NowMs() {
  return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

// Members in the order in which they are made; destroyed in reverse.
struct Server::Impl {
  Impl(Config c, Logger& l) : config(std::move(c)), logger(l), tenants(config.auth) {}

  absl::Status OpenStores();
  absl::Status OpenJobs();
  absl::Status OpenMetrics(bool optional);
  absl::Status Listen();
  void SetServing(bool serving);
  void SetQueueReachable(bool reachable);
  void TellJobHealth() DVREN_REQUIRES(health_mutex);
  void StopListening();

  const Config config;
  Logger& logger;
  std::optional<DataDirLock> lock;
  Metrics metrics;
  TenantResolver tenants;
  std::vector<std::shared_ptr<Device>> devices;
  std::unique_ptr<FieldRegistry> fields;
  std::unique_ptr<TapeRegistry> tapes;
  std::unique_ptr<GradientRegistry> gradients;
  std::unique_ptr<SessionRegistry> sessions;
  std::unique_ptr<UploadStore> uploads;
  std::optional<CheckpointStore> checkpoints;
  std::optional<JobStorage> job_storage;
  std::unique_ptr<JobStore> jobs;
  std::unique_ptr<Scheduler> scheduler;
  std::unique_ptr<ServiceContext> context;
  std::unique_ptr<FieldService> field_service;
  std::unique_ptr<RenderService> render_service;
  std::unique_ptr<TrainingService> training_service;
  std::unique_ptr<JobResults> job_results;
  std::unique_ptr<JobRunner> job_runner;
  std::unique_ptr<JobService> job_service;
  std::unique_ptr<AdminService> admin_service;
  std::unique_ptr<MetricsEndpoint> endpoint;
  std::unique_ptr<grpc::Server> grpc_server;
  std::vector<std::string> addresses;

  Mutex health_mutex;
  bool serving DVREN_GUARDED_BY(health_mutex) = false;
  bool queue_reachable DVREN_GUARDED_BY(health_mutex) = true;
};

absl::Status Server::Impl::OpenStores() {
  DVREN_ASSIGN_OR_RETURN(DataDirLock held, DataDirLock::Acquire(config.data_dir));
  lock.emplace(std::move(held));
  DVREN_ASSIGN_OR_RETURN(devices, OpenDevices(config.devices, config.threads));
  for (const std::shared_ptr<Device>& device : devices) {
    const DeviceInfo& info = device->info();
    logger.Info("device", {{"id", info.id}, {"name", info.name}, {"isa", info.isa}, {"threads", info.threads}});
  }
  if (GetBuildInfo().cuda && GpuCount() == 0) {
    logger.Info("no GPU: this build has CUDA, this machine no driver or no device",
                {{"devices", static_cast<int>(devices.size())}});
  }
  DVREN_ASSIGN_OR_RETURN(std::unique_ptr<FieldStore> store, FieldStore::Open(config.data_dir));
  FieldRegistryOptions registry_options;
  registry_options.device_memory_bytes = config.limits.memory_bytes;
  fields = std::make_unique<FieldRegistry>(std::move(store), registry_options);
  DVREN_RETURN_IF_ERROR(fields->Load());
  for (const DamagedField& damaged : fields->damaged()) {
    logger.Error("damaged field set aside", {{"field", damaged.id}, {"reason", damaged.reason}});
  }
  TapeRegistryOptions tape_options;
  tape_options.max_bytes = config.tapes.max_bytes;
  tape_options.max_tenant_bytes = config.tapes.max_tenant_bytes;
  tape_options.lease = std::chrono::seconds(config.tapes.lease_s);
  tape_options.max_lease = std::chrono::seconds(config.tapes.max_lease_s);
  tapes = std::make_unique<TapeRegistry>(std::move(tape_options));
  gradients = std::make_unique<GradientRegistry>(config.limits.gradient_bytes);
  SessionRegistryOptions session_options;
  session_options.max_sessions = config.training.max_sessions;
  session_options.max_bytes = config.training.max_bytes;
  session_options.max_tenant_bytes = config.training.max_tenant_bytes;
  session_options.idle = std::chrono::seconds(config.training.session_idle_s);
  sessions = std::make_unique<SessionRegistry>(std::move(session_options));
  UploadStoreOptions upload_options;
  upload_options.data_dir = config.data_dir;
  upload_options.max_upload_bytes = config.limits.max_upload_bytes;
  DVREN_ASSIGN_OR_RETURN(uploads, UploadStore::Open(upload_options));
  DVREN_ASSIGN_OR_RETURN(checkpoints, CheckpointStore::Open(config.data_dir));
  DVREN_RETURN_IF_ERROR(OpenJobs());
  Scheduler::Options scheduler_options;
  scheduler_options.max_queued = config.limits.max_queued;
  scheduler_options.max_batch = config.limits.launch_rays;
  scheduler_options.tenant_weight = WeightBy(config.tenants);
  scheduler_options.observer = ObserveInto(metrics, logger);
  scheduler = std::make_unique<Scheduler>(devices, std::move(scheduler_options));
  return absl::OkStatus();
}

absl::Status Server::Impl::OpenJobs() {
  DVREN_ASSIGN_OR_RETURN(job_storage, OpenJobStorage(config));
  jobs = std::make_unique<JobStore>(std::move(job_storage->backend), NowMs);
  metrics.SetQueueUp(true);
  DVREN_ASSIGN_OR_RETURN(const std::vector<Job> recovered, jobs->RecoverOwn(job_storage->daemon_id));
  for (const Job& job : recovered) {
    logger.Warn("job was running when the daemon died",
                {{"job", absl::StrCat("jobs/", job.id)}, {"state", JobStateName(job.state)}});
  }
  return absl::OkStatus();
}

absl::Status Server::Impl::OpenMetrics(bool optional) {
  metrics.SetSnapshotSource([this] {
    MetricsSnapshot snapshot;
    snapshot.queued_interactive = scheduler->queued(WorkClass::kInteractive);
    snapshot.queued_normal = scheduler->queued(WorkClass::kNormal);
    snapshot.queued_batch = scheduler->queued(WorkClass::kBatch);
    for (const std::shared_ptr<Device>& device : devices) {
      snapshot.devices.push_back({device->info().id, static_cast<double>(device->memory_used_bytes()),
                                  static_cast<double>(device->info().memory_total_bytes)});
    }
    snapshot.fields_on_disk = static_cast<double>(fields->on_disk());
    snapshot.fields_on_device = static_cast<double>(fields->on_devices());
    snapshot.tapes = static_cast<double>(tapes->count());
    snapshot.tape_bytes = static_cast<double>(tapes->bytes());
    snapshot.gradient_bytes = static_cast<double>(gradients->budget().used());
    return snapshot;
  });
  const std::string address = config.metrics.value_or("");
  if (address.empty()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<MetricsEndpoint>> opened = MetricsEndpoint::Open(address, metrics);
  if (opened.ok()) {
    endpoint = *std::move(opened);
    logger.Info("metrics", {{"address", endpoint->address()}});
    return absl::OkStatus();
  }
  if (!optional) return opened.status();
  logger.Warn("no metrics: the default address is taken; choose one with --metrics",
              {{"error", std::string(opened.status().message())}});
  return absl::OkStatus();
}

absl::Status Server::Impl::Listen() {
  context = std::make_unique<ServiceContext>(ServiceContext{config, *scheduler, *fields, *tapes, *gradients, *sessions,
                                                            devices, metrics, tenants, logger,
                                                            std::chrono::system_clock::now()});
  field_service = std::make_unique<FieldService>(*context, *uploads);
  render_service = std::make_unique<RenderService>(*context);
  training_service = std::make_unique<TrainingService>(*context, *checkpoints);
  if (!job_storage->queue_id.empty()) {
    const std::string folder = absl::StrCat(config.data_dir, "/jobs/results-", job_storage->queue_id);
    DVREN_ASSIGN_OR_RETURN(job_results,
                           JobResults::Open(*context, *jobs, job_storage->objects, folder, job_storage->queue_id));
  }
  const JobEnvironment environment{*context, job_storage->checkpoints, *jobs, job_storage->objects, job_results.get()};
  job_service = std::make_unique<JobService>(environment);
  JobRunnerOptions runner_options;
  runner_options.daemon = job_storage->daemon_id;
  runner_options.on_queue = [this](bool reachable) { SetQueueReachable(reachable); };
  runner_options.max_running = config.jobs.max_running;
  runner_options.lease = std::chrono::seconds(config.jobs.lease_s);
  runner_options.retention = std::chrono::hours(24) * config.jobs.retention_days;
  runner_options.tenant_weight = WeightBy(config.tenants);
  admin_service = std::make_unique<AdminService>(*context);

  std::shared_ptr<grpc::ServerCredentials> tcp_credentials = grpc::InsecureServerCredentials();
  if (config.tls.enabled()) {
    DVREN_ASSIGN_OR_RETURN(tcp_credentials, MakeTlsCredentials(config.tls));
  }
  grpc::EnableDefaultHealthCheckService(true);
  if (config.reflection) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  if (!config.reflection) builder.SetOption(std::make_unique<WithoutReflection>());
  // Two daemons on one port would share its connections at random.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.SetMaxReceiveMessageSize(static_cast<int>(config.limits.max_message_bytes + kMessageHeadroomBytes));
  builder.RegisterService(field_service.get());
  builder.RegisterService(render_service.get());
  builder.RegisterService(training_service.get());
  builder.RegisterService(job_service.get());
  builder.RegisterService(admin_service.get());

  std::vector<ListenAddress> wanted;
  std::vector<int> ports(config.listen.size(), 0);
  for (std::size_t i = 0; i < config.listen.size(); ++i) {
    DVREN_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(config.listen[i]));
    DVREN_RETURN_IF_ERROR(ProbeListenAddress(address));
    // A unix socket's file mode decides who may connect; TLS would add nothing.
    builder.AddListeningPort(address.ToString(),
                             address.is_unix() ? grpc::InsecureServerCredentials() : tcp_credentials, &ports[i]);
    wanted.push_back(address);
  }
  grpc_server = builder.BuildAndStart();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (grpc_server == nullptr || ports[i] == 0) {
      // The probe has just succeeded: somebody was quicker, or it is nothing that a probe can see.
      if (grpc_server == nullptr && ports[i] != 0) continue;
      return absl::UnavailableError(
          absl::StrCat("listen = ", wanted[i].ToString(), ": cannot listen there; is it in use?"));
    }
    if (wanted[i].is_unix()) {
      chmod(wanted[i].unix_path.c_str(), S_IRUSR | S_IWUSR);
    } else {
      wanted[i].port = ports[i];
    }
    addresses.push_back(wanted[i].ToString());
  }
  if (grpc_server == nullptr) return absl::InternalError("gRPC did not start; its reason is in the log");
  job_runner = std::make_unique<JobRunner>(environment, std::move(runner_options));
  return absl::OkStatus();
}

constexpr char kJobService[] = "dvren.v1.JobService";

void Server::Impl::SetServing(bool now) {
  metrics.SetReady(now);
  MutexLock locked(health_mutex);
  serving = now;
  grpc::HealthCheckServiceInterface* const health = grpc_server->GetHealthCheckService();
  if (health == nullptr) return;
  health->SetServingStatus(now);  // "" and all that are known by now
  for (const char* name : {"dvren.v1.FieldService", "dvren.v1.RenderService", "dvren.v1.TrainingService", kJobService,
                           "dvren.v1.AdminService"}) {
    health->SetServingStatus(name, now);
  }
  TellJobHealth();
}

void Server::Impl::SetQueueReachable(bool reachable) {
  metrics.SetQueueUp(reachable);
  MutexLock locked(health_mutex);
  queue_reachable = reachable;
  TellJobHealth();
}

// Renders and trainings do not need the queue.
void Server::Impl::TellJobHealth() {
  grpc::HealthCheckServiceInterface* const health = grpc_server->GetHealthCheckService();
  if (health != nullptr) health->SetServingStatus(kJobService, serving && queue_reachable);
}

void Server::Impl::StopListening() {
  if (grpc_server == nullptr) return;
  grpc_server->Shutdown(std::chrono::system_clock::now() + kCutOff);
  grpc_server->Wait();
  grpc_server.reset();
  for (const std::string& text : addresses) {
    const absl::StatusOr<ListenAddress> address = ParseListenAddress(text);
    if (address.ok() && address->is_unix()) unlink(address->unix_path.c_str());
  }
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
  // Work first: a call that waits for its work would hold the listener's shutdown.
  impl_->job_runner.reset();
  if (impl_->scheduler != nullptr) impl_->scheduler->Drain(milliseconds(0));
  impl_->StopListening();
  impl_->metrics.SetSnapshotSource(nullptr);
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options, Logger& logger) {
  auto server = std::unique_ptr<Server>(new Server(std::make_unique<Impl>(options.config, logger)));
  Impl& impl = *server->impl_;
  DVREN_RETURN_IF_ERROR(impl.OpenStores());
  DVREN_RETURN_IF_ERROR(impl.OpenMetrics(options.metrics_by_default));
  DVREN_RETURN_IF_ERROR(impl.Listen());
  impl.SetServing(true);
  if (!options.ready_file.empty()) DVREN_RETURN_IF_ERROR(WriteReadyFile(options.ready_file, impl.addresses));
  for (const std::string& address : impl.addresses) logger.Info("listening", {{"address", address}});
  return server;
}

const std::vector<std::string>& Server::addresses() const {
  return impl_->addresses;
}

void Server::Drain() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(impl_->config.drain_grace_s);
  impl_->SetServing(false);
  impl_->training_service->BeginDrain();
  impl_->job_runner->Drain();
  impl_->scheduler->Drain(std::chrono::seconds(impl_->config.drain_grace_s));
  // Uploads, downloads and answers on their way do not pass the scheduler.
  while (impl_->metrics.inflight_requests() > 0 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(milliseconds(10));
  }
  impl_->StopListening();
}

int RunServer(const ServerOptions& options) {
  const ShutdownSignals signals;
  umask(S_IRWXG | S_IRWXO);
  absl::StatusOr<std::unique_ptr<Logger>> opened = Logger::Open(options.config.log);
  if (!opened.ok()) {
    std::fprintf(stderr, "dvrend: %s\n", std::string(opened.status().message()).c_str());
    return ExitCodeOf(opened.status().code());
  }
  Logger& logger = **opened;
  RouteGrpcLog(&logger);
  const BuildInfo& build = GetBuildInfo();
  logger.Info("starting", {{"version", build.version},
                           {"commit", build.commit},
                           {"compiler", build.compiler},
                           {"config", ConfigToJsonForLog(options.config)}});
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(options, logger);
  if (!server.ok()) {
    // The log may be a file; whoever typed the command looks at the terminal.
    logger.Error("cannot start", {{"error", std::string(server.status().message())}});
    std::fprintf(stderr, "dvrend: %s\n", std::string(server.status().message()).c_str());
    RouteGrpcLog(nullptr);
    return ExitCodeOf(server.status().code());
  }
  int signal = signals.Wait();
  while (signal == SIGHUP) {
    logger.Warn("SIGHUP: the configuration is read at start only; restart the daemon to change it");
    signal = signals.Wait();
  }
  logger.Info("draining", {{"signal", strsignal(signal)}, {"grace_s", options.config.drain_grace_s}});
  std::atomic<bool> drained{false};
  std::thread impatience([&] {
    while (!drained.load()) {
      constexpr int kPollMs = 20;
      const int second = signals.WaitFor(kPollMs);
      if (second == SIGTERM || second == SIGINT) {
        logger.Warn("second signal: ending at once");
        std::_Exit(1);
      }
    }
  });
  (*server)->Drain();
  server->reset();
  drained.store(true);
  impatience.join();
  logger.Info("stopped");
  RouteGrpcLog(nullptr);
  return 0;
}

}  // namespace dvren::server
