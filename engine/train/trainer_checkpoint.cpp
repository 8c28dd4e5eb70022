// A Trainer in a file: what it holds besides the photographs. Sections of the container (checkpoint_file.h):
//   spec      the spec, byte for byte (SpecBytes)
//   photos    their number, pixels and a CRC of everything in them
//   state     step, stage, grid shape and box, cameras, what their refinement remembers
//   values    f32 (nz, ny, nx, channels)
//   mask      u8 (nz, ny, nx), see hp_mask_desc
//   moments   blocks, then values
// There is no random state: what a step draws follows from the seed and its number.
#include <zlib.h>

#include <utility>

#include "dvren/train/checkpoint_file.h"
#include "train/grid_growth.h"
#include "train/trainer_state.h"

namespace dvren {
namespace {

constexpr std::uint64_t kMaxCheckpointBytes = std::uint64_t{1} << 40;

ByteSink SpecBytes(const TrainingSpec& s) {
  ByteSink out;
  out.Put(s.steps);
  out.Put(s.seed);
  out.Put(s.step_voxels);
  out.Put(s.early_stop);
  out.Put(s.color_space);
  out.Put(static_cast<std::int32_t>(s.field.sh_degree));
  out.PutElements(std::span<const double>(s.field.box.min));
  out.PutElements(std::span<const double>(s.field.box.max));
  out.Put(s.field.activation);
  out.Put(s.field.initial_density);
  out.Put(s.field.initial_color);
  out.Put(static_cast<std::uint64_t>(s.stages.size()));
  for (const StageSpec& stage : s.stages) {
    out.Put(stage.from_step);
    out.Put(static_cast<std::int32_t>(stage.resolution));
    out.Put(stage.rays);
  }
  const OptimizerSpec& o = s.optimizer;
  out.Put(o.kind);
  for (double v : {o.density_rate, o.color_rate, o.beta1, o.beta2, o.epsilon, o.momentum, o.weight_decay}) out.Put(v);
  out.Put(o.nesterov);
  out.Put(o.sparse);
  out.Put(s.schedule.kind);
  out.Put(s.schedule.final_factor);
  out.Put(s.schedule.warmup_steps);
  out.Put(s.loss.kind);
  out.Put(s.loss.delta);
  for (double v : {s.regularisers.tv_density, s.regularisers.tv_color, s.regularisers.sparsity}) out.Put(v);
  out.Put(s.rays.background);
  out.Put(s.rays.foreground_fraction);
  out.Put(s.occupancy.every_steps);
  out.Put(s.occupancy.from_step);
  out.Put(s.occupancy.alpha_threshold);
  out.Put(s.occupancy.weight_threshold);
  out.Put(static_cast<std::int32_t>(s.occupancy.seen_window));
  const CameraRefineSpec& c = s.cameras;
  for (bool v : {c.poses, c.focal, c.distortion}) out.Put(v);
  for (double v : {c.rotation_rate, c.translation_rate, c.focal_rate, c.distortion_rate}) out.Put(v);
  out.Put(c.from_step);
  return out;
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

// What tells one set of photographs from another.
ByteSink PhotosBytes(const io::PhotoSet& set) {
  ByteSink out;
  out.Put(static_cast<std::uint64_t>(set.photos.size()));
  uLong crc = crc32(0, nullptr, 0);
  for (const io::Photo& photo : set.photos) {
    ByteSink head;
    head.Put(static_cast<std::int32_t>(photo.channels));
    PutCamera(head, photo.camera);
    crc = crc32_z(crc, reinterpret_cast<const Bytef*>(head.bytes().data()), head.bytes().size());
    crc =
        crc32_z(crc, reinterpret_cast<const Bytef*>(photo.values.data()), photo.values.size() * sizeof(std::uint16_t));
  }
  out.Put(static_cast<std::uint32_t>(crc));
  return out;
}

absl::Status CheckSame(CheckpointReader& file, const std::string& section, const ByteSink& mine, const char* what) {
  DVREN_ASSIGN_OR_RETURN(const std::span<const std::byte> stored, file.Section(section));
  const std::span<const std::byte> here = mine.bytes();
  if (stored.size() == here.size() && std::equal(stored.begin(), stored.end(), here.begin())) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("checkpoint: was made with another ", what, "; restore it with the one it was made with"));
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
  state.PutElements(std::span<const std::int64_t>(s.shape.shape));
  state.PutElements(std::span<const double>(s.shape.box.min));
  state.PutElements(std::span<const double>(s.shape.box.max));
  for (const io::PhotoCamera& camera : s.cameras) PutCamera(state, camera);
  s.refinement->Save(state);
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
  DVREN_RETURN_IF_ERROR(CheckSame(file, "spec", SpecBytes(spec), "recipe"));
  DVREN_RETURN_IF_ERROR(CheckSame(file, "photos", PhotosBytes(*photos), "dataset"));
  DVREN_ASSIGN_OR_RETURN(const std::span<const std::byte> bytes, file.Section("state"));
  ByteSource state(bytes, path);
  std::uint64_t stage = 0;
  DVREN_RETURN_IF_ERROR(state.Get(&s->step));
  DVREN_RETURN_IF_ERROR(state.Get(&stage));
  if (s->step < 0 || s->step > spec.steps || stage >= spec.stages.size()) {
    return absl::DataLossError(absl::StrCat(path, ": damaged: step ", s->step, ", stage ", stage));
  }
  s->stage = static_cast<std::size_t>(stage);
  DVREN_ASSIGN_OR_RETURN(io::DenseVolume grid, InitialGrid(spec.field, spec.stages[s->stage].resolution));
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

}  // namespace dvren
