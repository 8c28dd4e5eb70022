#include "dvren/io/dataset_reader.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <new>
#include <set>
#include <system_error>
#include <thread>

#include "absl/strings/str_join.h"
#include "byte_reader.h"
#include "dataset_bounds.h"
#include "dataset_image.h"
#include "dataset_listing.h"
#include "dvren/io/atomic_file.h"
#include "out_of_memory.h"

namespace dvren::io {
namespace {

namespace fs = std::filesystem;

constexpr std::array<absl::string_view, 4> kSplits{"train", "test", "val", "all"};

// An image that is there, its camera complete, in its full size.
struct Source {
  std::string path;
  ImageHeader header;
  Photo photo;  // without values
};

struct Plan {
  std::vector<Source> sources;
  DatasetReport report;
};

absl::Status CheckRequest(const DatasetRequest& request) {
  if (std::find(kSplits.begin(), kSplits.end(), request.split) == kSplits.end()) {
    return InvalidField("split", request.split, absl::StrCat("must be ", absl::StrJoin(kSplits, ", ")));
  }
  Photo none;
  DVREN_RETURN_IF_ERROR(ScaleDown(request.downscale, &none));  // refuses other factors
  if (request.hold_out_every < 0 || request.hold_out_every == 1) {
    return InvalidField("hold_out_every", request.hold_out_every, "must be 0 (none) or at least 2");
  }
  return absl::OkStatus();
}

// `path: ` before the message.
absl::Status Of(const std::string& path, const absl::Status& status) {
  return status.ok() ? status : absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

absl::StatusOr<const DatasetFormat*> Detect(const std::string& path, const std::string& folder) {
  std::vector<std::string> looked_for;
  for (const DatasetFormat& format : DatasetFormats()) {
    if (format.detect(folder)) return &format;
    looked_for.push_back(absl::StrCat(format.looks_for, " (", format.name, ")"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": is not a dataset: there must be ", absl::StrJoin(looked_for, ", or ")));
}

// Leaves the photographs of the split.
absl::Status ChooseSplit(const DatasetRequest& request, Listing* listing) {
  const bool has_splits = std::any_of(listing->photos.begin(), listing->photos.end(),
                                      [](const ListedPhoto& photo) { return !photo.split.empty(); });
  if (has_splits) {
    if (request.hold_out_every != 0) {
      return InvalidField("hold_out_every", request.hold_out_every, "must be 0: the dataset has splits of its own");
    }
  } else if (request.hold_out_every != 0) {
    for (std::size_t i = 0; i < listing->photos.size(); ++i) {
      listing->photos[i].split = i % static_cast<std::size_t>(request.hold_out_every) == 0 ? "test" : "train";
    }
  } else {
    if (request.split == "test" || request.split == "val") {
      return InvalidField("split", request.split,
                          "the dataset has no splits: set hold_out_every (8 is usual), or use train or all");
    }
    return absl::OkStatus();
  }
  if (request.split == "all") return absl::OkStatus();
  std::erase_if(listing->photos, [&](const ListedPhoto& photo) { return photo.split != request.split; });
  if (!listing->photos.empty()) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("split = ", request.split, ": the dataset has no images of it"));
}

// What the file leaves open comes from the image.
absl::StatusOr<PhotoCamera> CompleteCamera(const ListedPhoto& listed, const ImageHeader& header) {
  const int width = listed.width.value_or(header.width), height = listed.height.value_or(header.height);
  if (width != header.width || height != header.height) {
    return absl::InvalidArgumentError(absl::StrCat(listed.name, ": is ", header.width, "x", header.height,
                                                   " pixels, but ", listed.where, " says ", width, "x", height,
                                                   ": use the images that were calibrated"));
  }
  PhotoCamera camera;
  camera.model = listed.model;
  camera.width = width;
  camera.height = height;
  const auto focal = [](double edge, double angle) { return 0.5 * edge / std::tan(0.5 * angle); };
  camera.fx = listed.fx ? *listed.fx : focal(width, *listed.angle_x);
  camera.fy = listed.fy ? *listed.fy : listed.angle_y ? focal(height, *listed.angle_y) : camera.fx;
  camera.cx = listed.cx.value_or(0.5 * width);
  camera.cy = listed.cy.value_or(0.5 * height);
  camera.distortion = listed.distortion;
  camera.camera_to_world = listed.camera_to_world;
  return camera;
}

// Fills `sources` and `missing`.
absl::Status FindImages(const DatasetRequest& request, const std::string& folder, const Listing& listing, Plan* plan) {
  std::set<std::string> paths;
  for (const ListedPhoto& listed : listing.photos) {
    auto path = ResolveBelow(folder, listed.name);
    if (absl::IsNotFound(path.status())) {
      plan->report.missing.push_back(listed.name);
      continue;
    }
    DVREN_RETURN_IF_ERROR(Of(request.path, path.status()));
    if (!paths.insert(*path).second) {
      return absl::InvalidArgumentError(absl::StrCat(request.path, ": ", listed.where, ": ", listed.name,
                                                     ": is listed twice: leave one of them out"));
    }
    DVREN_ASSIGN_OR_RETURN(const ImageHeader header, ReadImageHeader(*path));
    Source source{*std::move(path), header, {}};
    source.photo.name = listed.name;
    source.photo.channels = header.channels;
    auto camera = CompleteCamera(listed, header);
    DVREN_RETURN_IF_ERROR(Of(request.path, camera.status()));
    source.photo.camera = *camera;
    plan->sources.push_back(std::move(source));
  }
  const std::vector<std::string>& missing = plan->report.missing;
  if (missing.empty()) return absl::OkStatus();
  const std::string what =
      absl::StrCat(missing.size(), " of ", listing.photos.size(), " images are not there, the first ", missing.front());
  if (plan->sources.empty()) return absl::NotFoundError(absl::StrCat(request.path, ": ", what));
  if (!request.skip_missing) {
    return absl::NotFoundError(
        absl::StrCat(request.path, ": ", what, ": add them, or leave them out with missing_images: skip"));
  }
  plan->report.notes.push_back(what);
  return absl::OkStatus();
}

std::array<double, 12> Intrinsics(const PhotoCamera& camera) {
  const auto& d = camera.distortion;
  return {static_cast<double>(camera.model),
          static_cast<double>(camera.width),
          static_cast<double>(camera.height),
          camera.fx,
          camera.fy,
          camera.cx,
          camera.cy,
          d[0],
          d[1],
          d[2],
          d[3],
          d[4]};
}

absl::Status Describe(const DatasetRequest& request, Plan* plan) {
  DatasetReport& report = plan->report;
  std::set<std::array<double, 12>> intrinsics;
  const ImageHeader& first = plan->sources.front().header;
  report.images = static_cast<std::int64_t>(plan->sources.size());
  report.channels = first.channels;
  Vec3 centre{};
  for (int i = 0; i < 3; ++i) centre[i] = 0.5 * (report.bounds.min[i] + report.bounds.max[i]);
  for (std::size_t n = 0; n < plan->sources.size(); ++n) {
    const Source& source = plan->sources[n];
    const PhotoCamera& camera = source.photo.camera;
    if (source.header.channels != first.channels) {
      return absl::InvalidArgumentError(absl::StrCat(
          source.photo.name, ": has ", source.header.channels == 4 ? "an" : "no", " alpha channel, but ",
          plan->sources.front().photo.name, " has ", first.channels == 4 ? "one" : "none", ": make them the same"));
    }
    if (camera.width % request.downscale != 0 || camera.height % request.downscale != 0) {
      Photo photo = source.photo;
      return ScaleDown(request.downscale, &photo);
    }
    const int width = camera.width / request.downscale, height = camera.height / request.downscale;
    const std::uint64_t pixels = std::uint64_t(width) * std::uint64_t(height);
    const std::uint64_t bytes = pixels * std::uint64_t(source.header.channels) * sizeof(std::uint16_t);
    report.bytes += bytes;
    if (report.bytes > request.max_bytes) {
      return absl::ResourceExhaustedError(absl::StrCat(plan->sources.size(), " images of ", source.photo.name,
                                                       "'s size take more than the ", request.max_bytes,
                                                       " bytes allowed: use a larger downscale"));
    }
    const auto size = std::find_if(report.sizes.begin(), report.sizes.end(),
                                   [&](const auto& s) { return s.width == width && s.height == height; });
    if (size == report.sizes.end()) {
      report.sizes.push_back({width, height, 1});
    } else {
      ++size->images;
    }
    intrinsics.insert(Intrinsics(camera));
    const Vec3 position = PositionOf(camera.camera_to_world);
    for (int i = 0; i < 3; ++i) {
      Box& box = report.camera_positions;
      box.min[i] = n == 0 ? position[i] : std::min(box.min[i], position[i]);
      box.max[i] = n == 0 ? position[i] : std::max(box.max[i], position[i]);
    }
    report.camera_distance += Distance(position, centre) / static_cast<double>(plan->sources.size());
  }
  report.cameras = static_cast<std::int64_t>(intrinsics.size());
  return absl::OkStatus();
}

absl::StatusOr<Plan> MakePlan(const DatasetRequest& request) {
  DVREN_RETURN_IF_ERROR(CheckRequest(request));
  std::error_code error;
  const std::string folder = fs::canonical(request.path, error).string();
  if (error) return FileError(request.path, "read", error.value());
  if (!fs::is_directory(folder, error)) {
    return absl::InvalidArgumentError(absl::StrCat(request.path, ": must be the folder of a dataset"));
  }
  DVREN_ASSIGN_OR_RETURN(const DatasetFormat* format, Detect(request.path, folder));
  absl::StatusOr<Listing> listing = format->list(folder, request.split);
  if (!listing.ok()) {
    const absl::Status& status = listing.status();
    return absl::Status(status.code(), absl::StrCat(request.path, "/", status.message()));
  }
  if (listing->sort_by_name) {
    std::sort(listing->photos.begin(), listing->photos.end(),
              [](const ListedPhoto& a, const ListedPhoto& b) { return a.name < b.name; });
  }
  Plan plan;
  plan.report.format = format->name;
  plan.report.split = request.split;
  plan.report.notes = std::move(listing->notes);
  plan.report.rotation_error = listing->rotation_error;
  plan.report.bounds = listing->bounds ? *listing->bounds : GuessBounds(listing->photos, &plan.report.notes);
  if (listing->rotation_error > 1e-5) {
    plan.report.notes.push_back(absl::StrCat("poses differ from rotations by up to ", listing->rotation_error,
                                             "; the nearest rotations are used"));
  }
  DVREN_RETURN_IF_ERROR(Of(request.path, ChooseSplit(request, &*listing)));
  plan.report.images_listed = static_cast<std::int64_t>(listing->photos.size());
  DVREN_RETURN_IF_ERROR(FindImages(request, folder, *listing, &plan));
  DVREN_RETURN_IF_ERROR(Of(request.path, Describe(request, &plan)));
  return plan;
}

absl::Status ReadValues(const DatasetRequest& request, Source* source) {
  try {
    DVREN_ASSIGN_OR_RETURN(source->photo.values, ReadImageValues(source->path, source->header, request.max_bytes));
    return ScaleDown(request.downscale, &source->photo);
  } catch (const std::bad_alloc&) {
    return OutOfMemory(source->path);
  }
}

// The first of the images, in their order, that cannot be read is the error: those before it were begun, and end.
absl::Status ReadAllValues(const DatasetRequest& request, std::vector<Source>* sources) {
  std::vector<absl::Status> statuses(sources->size());
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  const auto work = [&] {
    for (std::size_t i; !failed.load() && (i = next.fetch_add(1)) < sources->size();) {
      statuses[i] = ReadValues(request, &(*sources)[i]);
      if (!statuses[i].ok()) failed.store(true);
    }
  };
  std::vector<std::thread> threads;
  const std::size_t count = std::min<std::size_t>(std::max(1u, std::thread::hardware_concurrency()), sources->size());
  threads.reserve(count);
  try {
    while (threads.size() + 1 < count) threads.emplace_back(work);
  } catch (const std::system_error&) {  // no more threads to be had: those there do it
  }
  work();
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& status : statuses) DVREN_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DatasetReport> InspectDataset(const DatasetRequest& request) {
  try {
    DVREN_ASSIGN_OR_RETURN(Plan plan, MakePlan(request));
    return std::move(plan.report);
  } catch (const std::bad_alloc&) {
    return OutOfMemory(request.path);
  }
}

absl::StatusOr<Dataset> ReadDataset(const DatasetRequest& request) {
  try {
    DVREN_ASSIGN_OR_RETURN(Plan plan, MakePlan(request));
    DVREN_RETURN_IF_ERROR(ReadAllValues(request, &plan.sources));
    Dataset dataset;
    dataset.report = std::move(plan.report);
    dataset.photos.bounds = dataset.report.bounds;
    for (Source& source : plan.sources) dataset.photos.photos.push_back(std::move(source.photo));
    return dataset;
  } catch (const std::bad_alloc&) {
    return OutOfMemory(request.path);
  }
}

}  // namespace dvren::io
