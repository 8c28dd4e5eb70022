// dvren_bench_service BENCH [--option value …]: load for a daemon, and what it is held against, as lines of JSON.
// tests/perf/service.py starts daemons and puts the figures side by side.
#include <CLI/CLI.hpp>

#include "benches.h"

int main(int argc, char** argv) {
  using namespace dvren::bench;
  CLI::App app("Load for dvrend, and what it is held against. Results are lines of JSON.");
  app.require_subcommand(1);
  LoadOptions load;
  std::string field = "bench", job, folder, listen = "127.0.0.1:0";
  int group = 64, rays = 256, samples = 128, size = 128, together = 64, watchers = 1000, readers = 100, edge = 2048;
  int deadline_ms = 1000;
  double rate = 100;

  const auto calls = [&](CLI::App* sub) {
    sub->add_option("--endpoint", load.endpoint, "host:port")->required();
    sub->add_option("--clients", load.clients, "each with a connection and one call under way");
    sub->add_option("--seconds", load.seconds, "how long");
    sub->add_option("--calls", load.calls, "ends after so many; 0: any number");
    return sub;
  };
  app.add_subcommand("bare", "serve answers that cost nothing to make")->add_option("--listen", listen);
  CLI::App* const sqlite = app.add_subcommand("sqlite", "commits of bare SQLite");
  sqlite->add_option("--folder", folder, "on the daemon's disk")->required();
  sqlite->add_option("--group", group, "jobs in one commit");
  sqlite->add_option("--seconds", load.seconds);
  calls(app.add_subcommand("submits", "SubmitJob"))->add_option("--field", field);
  calls(app.add_subcommand("gets", "GetJob"))->add_option("--job", job)->required();
  CLI::App* const ray_load = calls(app.add_subcommand("rays", "RenderRays"));
  CLI::App* const kernel = app.add_subcommand("kernel", "the same rays in process");
  for (CLI::App* const sub : {ray_load, kernel}) {
    sub->add_option("--rays", rays, "of one call, a square number");
    sub->add_option("--samples", samples, "of one ray");
  }
  ray_load->add_option("--field", field);
  kernel->add_option("--together", together, "calls in one launch");
  kernel->add_option("--size", size, "voxels along an edge");
  kernel->add_option("--seconds", load.seconds);
  CLI::App* const watch = app.add_subcommand("watchers", "WatchJob streams of one job");
  watch->add_option("--watchers", watchers);
  watch->add_option("--job", job)->required();
  CLI::App* const stalled = app.add_subcommand("stalled", "Render streams that nobody reads");
  stalled->add_option("--readers", readers);
  CLI::App* const open = app.add_subcommand("open_loop", "Render at a fixed rate");
  open->add_option("--rate", rate, "calls a second");
  open->add_option("--seconds", load.seconds);
  open->add_option("--deadline_ms", deadline_ms);
  for (CLI::App* const sub : {stalled, open}) {
    sub->add_option("--field", field);
    sub->add_option("--edge", edge, "pixels");
  }
  for (CLI::App* const sub : {watch, stalled, open}) sub->add_option("--endpoint", load.endpoint)->required();
  CLI11_PARSE(app, argc, argv);

  const std::string bench = app.get_subcommands().front()->get_name();
  if (bench == "bare") return ServeBare(listen);
  if (bench == "sqlite") return BareSqlite(folder, group, load.seconds);
  if (bench == "submits") return Submits(load, field);
  if (bench == "gets") return Gets(load, job);
  if (bench == "rays") return Rays(load, field, rays, samples);
  if (bench == "kernel") return KernelRays(rays, together, samples, size, load.seconds);
  if (bench == "watchers") return Watchers(load.endpoint, watchers, job);
  if (bench == "stalled") return StalledReaders(load.endpoint, readers, field, edge);
  return OpenLoop(load.endpoint, field, edge, rate, load.seconds, deadline_ms);
}
