// The .nvdb container: segments of [header][one description per grid][one payload per grid]. Parsed here, not by
// NanoVDB, whose reader allocates whatever a file declares.
#include "dvren/io/nvdb.h"

#include <blosc.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "byte_reader.h"
#include "dvren/io/check.h"
#include "grid_choice.h"
#include "nanovdb_tree.h"
#include "printable.h"

namespace dvren::io {
namespace {

// As nanovdb::io::Header and MetaData lay them out, little-endian.
struct SegmentHeader {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint16_t grid_count, codec;
};
static_assert(sizeof(SegmentHeader) == 16);

struct GridDescription {
  std::uint64_t grid_bytes, file_bytes, name_key, voxel_count;
  std::uint32_t grid_type, grid_class;
  double world_box[6];
  std::int32_t index_box[6];
  double voxel_size[3];
  std::uint32_t name_bytes;  // with the terminating 0
  std::uint32_t node_count[4], tile_count[3];
  std::uint16_t codec, padding;
  std::uint32_t version;
};
static_assert(sizeof(GridDescription) == 176);

constexpr std::uint64_t kBloscChunk = std::uint64_t{1} << 30;
constexpr std::uint32_t kMaxNameBytes = 4096;
constexpr std::size_t kMaxGrids = 65536;
constexpr std::uint64_t kMaxDeflateRatio = 1032;

struct Entry {
  std::string name;
  GridDescription description;
  std::uint64_t offset;  // of the payload in the file
};

absl::Status Damaged(absl::string_view name, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(name, ": not a readable NVDB: ", what));
}

std::string TypeName(std::uint32_t type) {
  return type < static_cast<std::uint32_t>(nanovdb::GridType::End) ? toStr(static_cast<nanovdb::GridType>(type))
                                                                   : "unknown";
}

std::string ClassName(std::uint32_t grid_class) {
  switch (static_cast<nanovdb::GridClass>(grid_class)) {
    case nanovdb::GridClass::LevelSet:
      return "level set";
    case nanovdb::GridClass::FogVolume:
      return "fog volume";
    case nanovdb::GridClass::Staggered:
      return "staggered";
    default:
      return "unknown";
  }
}

std::string CodecName(std::uint16_t codec) {
  return codec == 0 ? "none" : codec == 1 ? "zip" : "blosc";
}

absl::StatusOr<std::vector<Entry>> ReadEntries(ByteReader& file) {
  std::vector<Entry> entries;
  std::uint64_t at = 0;
  while (at < file.size() || at == 0) {
    SegmentHeader header;
    DVREN_RETURN_IF_ERROR(file.ReadAt(at, &header, sizeof header));
    at += sizeof header;
    if (header.magic != NANOVDB_MAGIC_NUMBER) {
      // "NanoVDB1" and "NanoVDB2" are later releases'.
      if ((header.magic & 0x00ffffffffffffffu) == (NANOVDB_MAGIC_NUMBER & 0x00ffffffffffffffu)) {
        return absl::InvalidArgumentError(
            absl::StrCat(file.name(), ": written by a later NanoVDB than 32.4: import its .vdb instead"));
      }
      return Damaged(file.name(), "does not start with NanoVDB0");
    }
    if (header.version >> 21 != NANOVDB_MAJOR_VERSION_NUMBER) {
      return absl::InvalidArgumentError(absl::StrCat(file.name(), ": NanoVDB version ", header.version >> 21,
                                                     ": must be ", NANOVDB_MAJOR_VERSION_NUMBER,
                                                     "; import its .vdb instead"));
    }
    if (header.codec > 2) return Damaged(file.name(), absl::StrCat("codec ", header.codec, ", must be 0, 1 or 2"));
    const std::size_t first = entries.size();
    if (first + header.grid_count > kMaxGrids) return Damaged(file.name(), "more than 65536 grids");
    for (int i = 0; i < header.grid_count; ++i) {
      Entry entry;
      GridDescription& d = entry.description;
      DVREN_RETURN_IF_ERROR(file.ReadAt(at, &d, sizeof d));
      at += sizeof d;
      if (d.name_bytes < 1 || d.name_bytes > kMaxNameBytes) {
        return Damaged(file.name(), absl::StrCat("a grid name of ", d.name_bytes, " bytes"));
      }
      entry.name.resize(d.name_bytes);
      DVREN_RETURN_IF_ERROR(file.ReadAt(at, entry.name.data(), d.name_bytes));
      at += d.name_bytes;
      if (entry.name.find('\0') != entry.name.size() - 1) return Damaged(file.name(), "a grid name without end");
      entry.name.pop_back();
      d.codec = header.codec;  // the segment's is the one NanoVDB reads by
      entries.push_back(std::move(entry));
    }
    for (std::size_t i = first; i < entries.size(); ++i) {
      const std::uint64_t bytes = entries[i].description.file_bytes;
      if (bytes > file.size() - at) {
        return Damaged(file.name(), absl::StrCat("cut short: grid ", Printable(entries[i].name), " declares ", bytes,
                                                 " bytes, ", file.size() - at, " are left"));
      }
      entries[i].offset = at;
      at += bytes;
    }
  }
  return entries;
}

absl::Status Inflate(std::span<const std::byte> from, Blob* to, absl::string_view name) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) return absl::InternalError(absl::StrCat(name, ": zlib cannot start"));
  // zlib counts in 32 bits: fed and drained piecewise.
  constexpr std::uint64_t kPiece = std::uint64_t{1} << 30;
  std::uint64_t in = 0, out = 0;
  int code = Z_OK;
  while (code == Z_OK) {
    const std::uint64_t give = std::min<std::uint64_t>(from.size() - in, kPiece);
    const std::uint64_t take = std::min<std::uint64_t>(to->size() - out, kPiece);
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(from.data() + in));
    stream.avail_in = static_cast<uInt>(give);
    stream.next_out = reinterpret_cast<Bytef*>(to->data() + out);
    stream.avail_out = static_cast<uInt>(take);
    code = inflate(&stream, Z_NO_FLUSH);
    in += give - stream.avail_in;
    out += take - stream.avail_out;
  }
  inflateEnd(&stream);
  if (code != Z_STREAM_END || out != to->size()) return Damaged(name, "its ZIP data are damaged");
  return absl::OkStatus();
}

absl::StatusOr<Blob> ReadPayload(ByteReader& file, const Entry& entry, std::uint64_t max_bytes) {
  const GridDescription& d = entry.description;
  const std::string name = absl::StrCat(file.name(), ": grid ", Printable(entry.name));
  if (d.grid_bytes > max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(name, ": ", d.grid_bytes, " bytes: more than the ", max_bytes, " allowed"));
  }
  if (d.codec == 0) {
    if (d.file_bytes != d.grid_bytes) {
      return Damaged(name, absl::StrCat("stored in ", d.file_bytes, " bytes, declared as ", d.grid_bytes));
    }
    Blob blob(d.grid_bytes);
    DVREN_RETURN_IF_ERROR(file.ReadAt(entry.offset, blob.data(), d.grid_bytes));
    return blob;
  }
  // Both codecs: [size of the piece][piece]; ZIP has one, Blosc one for every GiB.
  std::uint64_t at = entry.offset;
  const std::uint64_t end = entry.offset + d.file_bytes;
  std::vector<std::byte> packed;
  const auto next_piece = [&]() -> absl::Status {
    std::uint64_t bytes = 0;
    if (end - at < sizeof bytes) return Damaged(name, "cut short");
    DVREN_RETURN_IF_ERROR(file.ReadAt(at, &bytes, sizeof bytes));
    at += sizeof bytes;
    if (bytes > end - at) return Damaged(name, absl::StrCat("cut short: a piece of ", bytes, " bytes"));
    packed.resize(bytes);
    DVREN_RETURN_IF_ERROR(file.ReadAt(at, packed.data(), bytes));
    at += bytes;
    return absl::OkStatus();
  };
  if (d.codec == 1) {
    DVREN_RETURN_IF_ERROR(next_piece());
    if (d.grid_bytes / kMaxDeflateRatio > packed.size()) return Damaged(name, "declares more than its ZIP can hold");
    Blob blob(d.grid_bytes);
    DVREN_RETURN_IF_ERROR(Inflate(packed, &blob, name));
    return blob;
  }
  // The first piece says how much it unpacks to, before memory for all is taken.
  Blob blob;
  for (std::uint64_t done = 0; done < d.grid_bytes;) {
    DVREN_RETURN_IF_ERROR(next_piece());
    const std::uint64_t chunk = std::min(d.grid_bytes - done, kBloscChunk);
    std::size_t unpacked = 0;
    if (blosc_cbuffer_validate(packed.data(), packed.size(), &unpacked) < 0 || unpacked != chunk) {
      return Damaged(name, "its Blosc data are damaged");
    }
    if (blob.size() == 0) blob = Blob(d.grid_bytes);
    const int got = blosc_decompress_ctx(packed.data(), blob.data() + done, chunk, 1);
    if (got < 0 || static_cast<std::uint64_t>(got) != chunk) return Damaged(name, "its Blosc data are damaged");
    done += chunk;
  }
  return blob;
}

absl::StatusOr<NanoVdbVolume> ReadGrid(ByteReader& file, const NvdbOptions& options) {
  DVREN_ASSIGN_OR_RETURN(const std::vector<Entry> entries, ReadEntries(file));
  std::vector<std::string> names;
  for (const Entry& entry : entries) names.push_back(entry.name);
  DVREN_ASSIGN_OR_RETURN(const std::size_t chosen, ChooseGrid(names, options.grid, {"density"}, file.name()));
  const Entry& entry = entries[chosen];
  const std::string name = absl::StrCat(file.name(), ": grid ", Printable(entry.name));
  const auto wanted = static_cast<std::uint32_t>(nanovdb::GridType::Float);
  if (entry.description.grid_type != wanted) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": holds ", TypeName(entry.description.grid_type), " values: must be float"));
  }
  DVREN_ASSIGN_OR_RETURN(Blob blob, ReadPayload(file, entry, options.max_bytes));
  DVREN_ASSIGN_OR_RETURN(NanoVdbSummary summary, CheckNanoVdbStructure(blob, name));
  if (summary.level_set) {
    if (!options.convert_level_set) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": is a level set, not a density: ask for it to be converted to a fog volume"));
    }
    DVREN_ASSIGN_OR_RETURN(Blob fog, NanoVdbLevelSetToFog(blob, name));
    DVREN_ASSIGN_OR_RETURN(summary, CheckNanoVdbStructure(fog, name));
    blob = std::move(fog);
  }
  DVREN_RETURN_IF_ERROR(CheckNanoVdbDensities(summary, name));
  return DescribeNanoVdb(std::move(blob), summary);
}

// NanoVDB's own hash of a grid name, which its readers look grids up by.
std::uint64_t NameKey(const std::string& name) {
  std::uint64_t hash = 0;
  for (const char c : name) {
    const std::uint64_t overflow = hash >> 56;
    hash = hash * 67 + static_cast<unsigned char>(c) + overflow;
  }
  return hash;
}

GridDescription Describe(const NanoVdbVolume& volume, NvdbCodec codec) {
  const auto* grid = reinterpret_cast<const nanovdb::GridData*>(volume.blob.data());
  const auto* tree = reinterpret_cast<const NanoTreeData*>(grid + 1);
  GridDescription d{};
  d.grid_bytes = volume.blob.size();
  d.name_key = NameKey(volume.grid_name);
  d.voxel_count = volume.active_voxels;
  d.grid_type = static_cast<std::uint32_t>(grid->mGridType);
  d.grid_class = static_cast<std::uint32_t>(grid->mGridClass);
  std::memcpy(d.world_box, &grid->mWorldBBox, sizeof d.world_box);
  for (int i = 0; i < 3; ++i) {
    d.index_box[i] = static_cast<std::int32_t>(volume.active_min[i]);
    d.index_box[3 + i] = static_cast<std::int32_t>(volume.active_max[i]);
    d.node_count[i] = tree->mNodeCount[i];
    d.tile_count[i] = tree->mTileCount[i];
  }
  std::memcpy(d.voxel_size, &grid->mVoxelSize, sizeof d.voxel_size);
  d.node_count[3] = 1;
  d.name_bytes = static_cast<std::uint32_t>(volume.grid_name.size() + 1);
  d.codec = static_cast<std::uint16_t>(codec);
  d.version = nanovdb::Version().id();
  return d;
}

void AppendPiece(std::vector<std::byte>* out, const std::byte* data, std::uint64_t bytes) {
  const auto* size = reinterpret_cast<const std::byte*>(&bytes);
  out->insert(out->end(), size, size + sizeof bytes);
  out->insert(out->end(), data, data + bytes);
}

// The payload as it goes into the file; codec none never comes here.
absl::StatusOr<std::vector<std::byte>> Pack(const Blob& blob, NvdbCodec codec, const std::string& path) {
  std::vector<std::byte> out, piece;
  if (codec == NvdbCodec::kZip) {
    uLongf size = compressBound(blob.size());
    piece.resize(size);
    if (compress(reinterpret_cast<Bytef*>(piece.data()), &size, reinterpret_cast<const Bytef*>(blob.data()),
                 blob.size()) != Z_OK) {
      return absl::InternalError(absl::StrCat(path, ": zlib cannot compress"));
    }
    AppendPiece(&out, piece.data(), size);
    return out;
  }
  for (std::uint64_t done = 0; done < blob.size();) {
    const std::uint64_t chunk = std::min(blob.size() - done, kBloscChunk);
    piece.resize(chunk + BLOSC_MAX_OVERHEAD);
    const int size = blosc_compress_ctx(9, 1, sizeof(float), chunk, blob.data() + done, piece.data(), piece.size(),
                                        BLOSC_LZ4_COMPNAME, 1 << 18, 1);
    if (size <= 0) return absl::InternalError(absl::StrCat(path, ": Blosc cannot compress"));
    AppendPiece(&out, piece.data(), static_cast<std::uint64_t>(size));
    done += chunk;
  }
  return out;
}

}  // namespace

absl::StatusOr<std::vector<NvdbGridInfo>> ListNvdbGrids(const std::string& path) {
  DVREN_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> file, FileReader::Open(path, path));
  DVREN_ASSIGN_OR_RETURN(const std::vector<Entry> entries, ReadEntries(*file));
  std::vector<NvdbGridInfo> grids;
  for (const Entry& e : entries) {
    grids.push_back({e.name, TypeName(e.description.grid_type), ClassName(e.description.grid_class),
                     CodecName(e.description.codec), e.description.grid_bytes});
  }
  return grids;
}

absl::StatusOr<NanoVdbVolume> ReadNvdb(const std::string& path, const NvdbOptions& options) {
  DVREN_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> file,
                         FileReader::Open(path, options.source_name.empty() ? path : options.source_name));
  return ReadGrid(*file, options);
}

absl::StatusOr<NanoVdbVolume> ParseNvdb(std::span<const std::byte> file, const NvdbOptions& options) {
  MemoryReader reader(file, options.source_name.empty() ? "memory" : options.source_name);
  return ReadGrid(reader, options);
}

absl::Status WriteNvdb(const std::string& path, const std::vector<NanoVdbVolume>& volumes, NvdbCodec codec,
                       FileOps& ops) {
  if (volumes.empty() || volumes.size() > 65535) {
    return InvalidField("volumes", volumes.size(), "must be 1 to 65535");
  }
  std::vector<GridDescription> descriptions;
  std::vector<std::vector<std::byte>> packed;
  std::vector<NanoVdbVolume> checked;  // described by their buffers, not by what the caller's fields say
  for (const NanoVdbVolume& volume : volumes) {
    DVREN_ASSIGN_OR_RETURN(NanoVdbVolume described, NanoVdbFromBlob(volume.blob, path));
    GridDescription d = Describe(described, codec);
    d.file_bytes = d.grid_bytes;
    if (codec != NvdbCodec::kNone) {
      DVREN_ASSIGN_OR_RETURN(std::vector<std::byte> bytes, Pack(volume.blob, codec, path));
      d.file_bytes = bytes.size();
      packed.push_back(std::move(bytes));
    }
    descriptions.push_back(d);
    checked.push_back(std::move(described));
  }
  DVREN_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path, ops));
  const SegmentHeader header{NANOVDB_MAGIC_NUMBER, nanovdb::Version().id(), static_cast<std::uint16_t>(volumes.size()),
                             static_cast<std::uint16_t>(codec)};
  DVREN_RETURN_IF_ERROR(file.Write(&header, sizeof header));
  for (std::size_t i = 0; i < checked.size(); ++i) {
    DVREN_RETURN_IF_ERROR(file.Write(&descriptions[i], sizeof descriptions[i]));
    DVREN_RETURN_IF_ERROR(file.Write(checked[i].grid_name.c_str(), descriptions[i].name_bytes));
  }
  for (std::size_t i = 0; i < checked.size(); ++i) {
    if (codec == NvdbCodec::kNone) {
      DVREN_RETURN_IF_ERROR(file.Write(checked[i].blob.data(), checked[i].blob.size()));
    } else {
      DVREN_RETURN_IF_ERROR(file.Write(packed[i]));
    }
  }
  return file.Commit();
}

absl::Status WriteNvdb(const std::string& path, const NanoVdbVolume& volume, NvdbCodec codec, FileOps& ops) {
  return WriteNvdb(path, std::vector<NanoVdbVolume>{volume}, codec, ops);
}

}  // namespace dvren::io
