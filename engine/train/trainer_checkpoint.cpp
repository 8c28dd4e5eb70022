// A Trainer in a file: what it holds besides the photographs. Sections of the container (checkpoint_file.h):
//   spec      the spec, byte for byte (SpecBytes)
//   photos    a CRC of everything that there is of each
//   state     step, stage, whether what precedes the next step has happened, grid shape and box, cameras, what their
//   refinement remembers, the loss scale, the error map values    f32 (nz, ny, nx, channels) mask      u8 (nz, ny, nx),
//   see hp_mask_desc moments blocks, then values
// There is no random state: what a step draws follows from the seed and its number.
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "dvren/train/checkpoint_file.h"
#include "train/grid_growth.h"
#include "train/trainer_state.h"

namespace dvren {
namespace {

constexpr std::uint64_t kMaxCheckpointBytes = std::uint64_t{1} << 40;

// Calls visit(key, value) for all that a spec holds, in the order of the file. Keys are those of recipes.
template <class Spec, class Visit>
void VisitSpec(Spec& s, Visit& visit) {
  visit("steps", s.steps);
  visit("seed", s.seed);
  visit("step_voxels", s.step_voxels);
  visit("early_stop", s.early_stop);
  visit("color_space", s.color_space);
  visit("field.sh_degree", s.field.sh_degree);
  visit("field.box.min", s.field.box.min);
  visit("field.box.max", s.field.box.max);
  visit("field.activation", s.field.activation);
  visit("field.initial_density", s.field.initial_density);
  visit("field.initial_color", s.field.initial_color);
  visit("field.dtype", s.field.dtype);
  visit.Size("stages", s.stages);
  for (std::size_t i = 0; i < s.stages.size(); ++i) {
    const std::string stage = absl::StrCat("stages[", i, "].");
    visit(stage + "from_step", s.stages[i].from_step);
    visit(stage + "resolution", s.stages[i].resolution);
    visit(stage + "rays", s.stages[i].rays);
    visit(stage + "sh_degree", s.stages[i].sh_degree);
  }
  auto& o = s.optimizer;
  visit("optimizer.kind", o.kind);
  visit("optimizer.density_rate", o.density_rate);
  visit("optimizer.color_rate", o.color_rate);
  visit("optimizer.harmonics_rate", o.harmonics_rate);
  visit("optimizer.beta1", o.beta1);
  visit("optimizer.beta2", o.beta2);
  visit("optimizer.epsilon", o.epsilon);
  visit("optimizer.momentum", o.momentum);
  visit("optimizer.weight_decay", o.weight_decay);
  visit("optimizer.nesterov", o.nesterov);
  visit("optimizer.sparse", o.sparse);
  visit("optimizer.clip_norm", o.clip_norm);
  visit("optimizer.clip_value", o.clip_value);
  visit("optimizer.accumulate_steps", o.accumulate_steps);
  visit("optimizer.loss_scale", o.loss_scale);
  visit("optimizer.loss_scale_window", o.loss_scale_window);
  visit("schedule.kind", s.schedule.kind);
  visit("schedule.final_factor", s.schedule.final_factor);
  visit("schedule.warmup_steps", s.schedule.warmup_steps);
  visit("loss.kind", s.loss.kind);
  visit("loss.delta", s.loss.delta);
  visit("regularisers.tv_density", s.regularisers.tv_density);
  visit("regularisers.tv_color", s.regularisers.tv_color);
  visit("regularisers.tv_every_steps", s.regularisers.tv_every_steps);
  visit("regularisers.sparsity", s.regularisers.sparsity);
  visit("regularisers.distortion", s.regularisers.distortion);
  visit("rays.background", s.rays.background);
  visit("rays.foreground_fraction", s.rays.foreground_fraction);
  visit("rays.error_map", s.rays.error_map);
  visit("rays.error_fraction", s.rays.error_fraction);
  visit("rays.error_cell", s.rays.error_cell);
  visit("rays.error_decay", s.rays.error_decay);
  visit("occupancy.every_steps", s.occupancy.every_steps);
  visit("occupancy.from_step", s.occupancy.from_step);
  visit("occupancy.alpha_threshold", s.occupancy.alpha_threshold);
  visit("occupancy.weight_threshold", s.occupancy.weight_threshold);
  visit("occupancy.seen_window", s.occupancy.seen_window);
  auto& c = s.cameras;
  visit("cameras.poses", c.poses);
  visit("cameras.focal", c.focal);
  visit("cameras.distortion", c.distortion);
  visit("cameras.rotation_rate", c.rotation_rate);
  visit("cameras.translation_rate", c.translation_rate);
  visit("cameras.focal_rate", c.focal_rate);
  visit("cameras.distortion_rate", c.distortion_rate);
  visit("cameras.from_step", c.from_step);
}

static_assert(sizeof(int) == sizeof(std::int32_t));

struct SpecWriter {
  ByteSink out;
  void Size(const char*, const std::vector<StageSpec>& stages) { out.Put(static_cast<std::uint64_t>(stages.size())); }
  template <class T>
  void operator()(const std::string&, const T& value) {
    out.Put(value);
  }
  void operator()(const std::string&, const Vec3& value) { out.PutElements(std::span<const double>(value)); }
};

struct SpecReader {
  ByteSource in;
  absl::Status status;
  void Size(const char*, std::vector<StageSpec>& stages) {
    std::uint64_t size = 0;
    Take(in.Get(&size));
    if (size > in.remaining()) Take(absl::DataLossError(absl::StrCat("damaged: ", size, " stages")));
    stages.resize(status.ok() ? static_cast<std::size_t>(size) : 0);
  }
  template <class T>
  void operator()(const std::string&, T& value) {
    if (status.ok()) Take(in.Get(&value));
  }
  void operator()(const std::string&, Vec3& value) {
    if (status.ok()) Take(in.GetElements(std::span<double>(value)));
  }
  void Take(const absl::Status& more) {
    if (status.ok()) status = more;
  }
};

std::string TextOf(double value) {
  std::array<char, 32> text{};
  for (int digits = 6; digits <= 17; digits += 11) {  // short where that is the number, else all of it
    std::snprintf(text.data(), text.size(), "%.*g", digits, value);
    if (std::strtod(text.data(), nullptr) == value) break;
  }
  return text.data();
}

// Keys and what they are, as people read them.
struct SpecLister {
  std::vector<std::pair<std::string, std::string>> keys;
  void Size(const char* key, const std::vector<StageSpec>& stages) {
    keys.emplace_back(absl::StrCat("number of ", key), absl::StrCat(stages.size()));
  }
  template <class T>
  void operator()(const std::string& key, const T& value) {
    keys.emplace_back(key, absl::StrCat(value));
  }
  void operator()(const std::string& key, double value) { keys.emplace_back(key, TextOf(value)); }
  void operator()(const std::string& key, bool value) { keys.emplace_back(key, value ? "true" : "false"); }
  void operator()(const std::string& key, const Vec3& value) {
    keys.emplace_back(key, absl::StrCat("(", TextOf(value[0]), ", ", TextOf(value[1]), ", ", TextOf(value[2]), ")"));
  }
};

ByteSink SpecBytes(const TrainingSpec& spec) {
  SpecWriter writer;
  VisitSpec(spec, writer);
  return std::move(writer.out);
}

constexpr std::size_t kShownKeys = 3;

// FAILED_PRECONDITION names the first keys that differ, with both values.
absl::Status CheckSameSpec(std::span<const std::byte> stored, const TrainingSpec& spec, const std::string& path) {
  TrainingSpec then;
  SpecReader reader{ByteSource(stored, path), absl::OkStatus()};
  VisitSpec(then, reader);
  reader.Take(reader.in.Finish());
  DVREN_RETURN_IF_ERROR(reader.status);
  SpecLister there, here;
  VisitSpec(then, there);
  VisitSpec(spec, here);
  std::string text;
  std::size_t differ = 0;
  for (std::size_t i = 0; i < std::min(there.keys.size(), here.keys.size()); ++i) {
    if (there.keys[i] == here.keys[i]) continue;
    if (++differ <= kShownKeys) {
      absl::StrAppend(&text, differ > 1 ? "; " : "", here.keys[i].first, " = ", here.keys[i].second, ", and ",
                      there.keys[i].second, " in the checkpoint");
    }
    if (there.keys[i].first != here.keys[i].first || there.keys.size() != here.keys.size()) break;
  }
  if (differ == 0) return absl::OkStatus();
  if (differ > kShownKeys) absl::StrAppend(&text, "; and ", differ - kShownKeys, " more");
  return absl::FailedPreconditionError(
      absl::StrCat("checkpoint: was made with another recipe: ", text, "; restore it with the one it was made with"));
}

void PutCamera(ByteSink& out, const io::PhotoCamera& c) {
  out.Put(c.model);
  out.Put(static_cast<std::int32_t>(c.width));
  out.Put(static_cast<std::int32_t>(c.height));
  for (double v : {c.fx, c.fy, c.cx, c.cy}) out.Put(v);
  out.PutElements(std::span<const double>(c.distortion));
  out.PutElements(std::span<const double>(c.camera_to_world.m));
}

absl::Status GetCamera(ByteSource& in, io::PhotoCamera& c) {
  std::int32_t width = 0, height = 0;
  DVREN_RETURN_IF_ERROR(in.Get(&c.model));
  DVREN_RETURN_IF_ERROR(in.Get(&width));
  DVREN_RETURN_IF_ERROR(in.Get(&height));
  c.width = width;
  c.height = height;
  for (double* v : {&c.fx, &c.fy, &c.cx, &c.cy}) DVREN_RETURN_IF_ERROR(in.Get(v));
  DVREN_RETURN_IF_ERROR(in.GetElements(std::span<double>(c.distortion)));
  return in.GetElements(std::span<double>(c.camera_to_world.m));
}

// What tells one photograph from another: a CRC of all that there is of it.
std::uint32_t PhotoCrc(const io::Photo& photo) {
  ByteSink head;
  head.Put(static_cast<std::int32_t>(photo.channels));
  PutCamera(head, photo.camera);
  uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(head.bytes().data()), head.bytes().size());
  crc = crc32_z(crc, reinterpret_cast<const Bytef*>(photo.values.data()), photo.values.size() * sizeof(std::uint16_t));
  return static_cast<std::uint32_t>(crc);
}

ByteSink PhotosBytes(const io::PhotoSet& set) {
  ByteSink out;
  std::vector<std::uint32_t> crcs;
  for (const io::Photo& photo : set.photos) crcs.push_back(PhotoCrc(photo));
  out.Put(crcs);
  return out;
}

// FAILED_PRECONDITION names the first photograph that differs.
absl::Status CheckSamePhotos(std::span<const std::byte> stored, const io::PhotoSet& set, const std::string& path) {
  ByteSource in(stored, path);
  std::vector<std::uint32_t> crcs;
  DVREN_RETURN_IF_ERROR(in.Get(&crcs));
  DVREN_RETURN_IF_ERROR(in.Finish());
  const auto differ = [](const std::string& what) {
    return absl::FailedPreconditionError(absl::StrCat("checkpoint: was made with another dataset: ", what,
                                                      "; restore it with the one it was made with"));
  };
  if (crcs.size() != set.photos.size()) {
    return differ(absl::StrCat("of ", crcs.size(), " photographs, and this one has ", set.photos.size()));
  }
  for (std::size_t i = 0; i < crcs.size(); ++i) {
    if (crcs[i] == PhotoCrc(set.photos[i])) continue;
    return differ(absl::StrCat("photograph ", i, ", ", set.photos[i].name, ", has other pixels or another camera"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Trainer::SaveCheckpoint(Stream& stream, const std::string& path) const {
  const State& s = *state_;
  CheckpointWriter writer;
  writer.Add("spec", SpecBytes(s.spec));
  writer.Add("photos", PhotosBytes(*s.photos));
  ByteSink state;
  state.Put(s.step);
  state.Put(static_cast<std::uint64_t>(s.stage));
  state.Put(s.prepared);
  state.PutElements(std::span<const std::int64_t>(s.shape.shape));
  state.PutElements(std::span<const double>(s.shape.box.min));
  state.PutElements(std::span<const double>(s.shape.box.max));
  for (const io::PhotoCamera& camera : s.cameras) PutCamera(state, camera);
  s.refinement->Save(state);
  s.loss_scale.Save(state);
  if (s.source && s.source->errors()) s.source->errors()->Save(state);
  writer.Add("state", std::move(state));
  DVREN_ASSIGN_OR_RETURN(const io::DenseVolume grid, Snapshot(stream));
  writer.Add("values", std::span<const std::byte>(grid.values.data(), grid.values.size()));
  DVREN_ASSIGN_OR_RETURN(const std::vector<std::uint8_t> mask, s.writer->ReadMask(stream));
  writer.Add("mask", std::as_bytes(std::span<const std::uint8_t>(mask)));
  DVREN_ASSIGN_OR_RETURN(const Moments::Stored moments, s.moments->Read(stream));
  writer.Add("moment_blocks", std::as_bytes(std::span<const std::int64_t>(moments.blocks)));
  writer.Add("moments", std::as_bytes(std::span<const float>(moments.values)));
  return writer.Write(path);
}

absl::StatusOr<std::unique_ptr<Trainer>> Trainer::RestoreCheckpoint(Stream& stream, const std::string& path,
                                                                    const TrainingSpec& spec,
                                                                    std::shared_ptr<const io::PhotoSet> photos) {
  DVREN_ASSIGN_OR_RETURN(std::unique_ptr<State> s, State::Make(spec, photos));
  DVREN_ASSIGN_OR_RETURN(CheckpointReader file, CheckpointReader::Open(path, kMaxCheckpointBytes));
  DVREN_ASSIGN_OR_RETURN(const std::span<const std::byte> made_with, file.Section("spec"));
  DVREN_RETURN_IF_ERROR(CheckSameSpec(made_with, spec, path));
  DVREN_ASSIGN_OR_RETURN(const std::span<const std::byte> made_from, file.Section("photos"));
  DVREN_RETURN_IF_ERROR(CheckSamePhotos(made_from, *s->photos, path));
  DVREN_ASSIGN_OR_RETURN(const std::span<const std::byte> bytes, file.Section("state"));
  ByteSource state(bytes, path);
  std::uint64_t stage = 0;
  DVREN_RETURN_IF_ERROR(state.Get(&s->step));
  DVREN_RETURN_IF_ERROR(state.Get(&stage));
  DVREN_RETURN_IF_ERROR(state.Get(&s->prepared));
  if (s->step < 0 || s->step > spec.steps || stage >= spec.stages.size()) {
    return absl::DataLossError(absl::StrCat(path, ": damaged: step ", s->step, ", stage ", stage));
  }
  s->stage = static_cast<std::size_t>(stage);
  DVREN_ASSIGN_OR_RETURN(io::DenseVolume grid,
                         InitialGrid(spec.field, spec.stages[s->stage].resolution, spec.ShDegree(s->stage)));
  std::array<std::int64_t, 4> shape{};
  Box box;
  DVREN_RETURN_IF_ERROR(state.GetElements(std::span<std::int64_t>(shape)));
  DVREN_RETURN_IF_ERROR(state.GetElements(std::span<double>(box.min)));
  DVREN_RETURN_IF_ERROR(state.GetElements(std::span<double>(box.max)));
  if (shape != grid.shape || !(box == grid.box)) {
    return absl::DataLossError(absl::StrCat(path, ": damaged: its grid is not that of the recipe's stage"));
  }
  for (io::PhotoCamera& camera : s->cameras) DVREN_RETURN_IF_ERROR(GetCamera(state, camera));
  DVREN_RETURN_IF_ERROR(s->refinement->Restore(state));
  DVREN_RETURN_IF_ERROR(s->loss_scale.Restore(state));
  if (s->source && s->source->errors()) DVREN_RETURN_IF_ERROR(s->source->errors()->Restore(state));
  DVREN_RETURN_IF_ERROR(state.Finish());
  DVREN_RETURN_IF_ERROR(file.ReadInto("values", {grid.values.data(), grid.values.size()}));
  std::vector<std::uint8_t> mask(static_cast<std::size_t>(shape[0] * shape[1] * shape[2]));
  DVREN_RETURN_IF_ERROR(file.ReadInto("mask", std::as_writable_bytes(std::span<std::uint8_t>(mask))));
  Moments::Stored moments;
  DVREN_ASSIGN_OR_RETURN(const std::uint64_t block_bytes, file.BytesOf("moment_blocks"));
  DVREN_ASSIGN_OR_RETURN(const std::uint64_t value_bytes, file.BytesOf("moments"));
  if (block_bytes % sizeof(std::int64_t) != 0 || value_bytes % sizeof(float) != 0) {
    return absl::DataLossError(
        absl::StrCat(path, ": damaged: moments of ", block_bytes, " and ", value_bytes, " bytes"));
  }
  moments.blocks.resize(block_bytes / sizeof(std::int64_t));
  moments.values.resize(value_bytes / sizeof(float));
  DVREN_RETURN_IF_ERROR(
      file.ReadInto("moment_blocks", std::as_writable_bytes(std::span<std::int64_t>(moments.blocks))));
  DVREN_RETURN_IF_ERROR(file.ReadInto("moments", std::as_writable_bytes(std::span<float>(moments.values))));
  DVREN_RETURN_IF_ERROR(s->Adopt(stream, std::move(grid), mask));
  DVREN_RETURN_IF_ERROR(s->moments->Write(stream, moments));
  return std::unique_ptr<Trainer>(new Trainer(std::move(s)));
}

absl::StatusOr<std::int64_t> Trainer::StepOfCheckpoint(const std::string& path) {
  DVREN_ASSIGN_OR_RETURN(CheckpointReader file, CheckpointReader::Open(path, kMaxCheckpointBytes));
  DVREN_ASSIGN_OR_RETURN(const std::span<const std::byte> bytes, file.Section("state"));
  ByteSource state(bytes, path);
  std::int64_t step = 0;
  DVREN_RETURN_IF_ERROR(state.Get(&step));
  return step;
}

}  // namespace dvren
