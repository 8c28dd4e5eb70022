// dvrenctl field …: volumes into, out of and within the daemon.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <memory>

#include "dvren/io/procedural.h"
#include "field_view.h"
#include "output_path.h"
#include "progress.h"
#include "session.h"
#include "values.h"

namespace dvren::ctl {
namespace {

struct FieldOptions {
  std::vector<std::string> names;  // of delete
  std::string name, file;
  std::string grid, kind, box, interp, border, activation;
  bool on_server = false, convert_level_set = false;
  std::string shape = "ball";
  int size = 128;
  std::uint64_t seed = 0;
  std::string filter, order_by;
  std::uint64_t expected_version = 0;
};
using Options = std::shared_ptr<FieldOptions>;

absl::Status PrintField(Format format, const v1::Field& field) {
  Print(std::cout, format, FieldValue(field), format == Format::kNames ? FieldsTable({field}) : FieldDetails(field));
  return absl::OkStatus();
}

// Empty: the daemon's default.
absl::Status SetActivation(const std::string& name, v1::DenseGridSpec& spec) {
  static const std::vector<std::string> kActivations{"identity", "softplus", "exp", "trunc_exp"};
  if (name.empty()) return absl::OkStatus();
  DVREN_ASSIGN_OR_RETURN(const std::size_t activation, ParseChoice("--activation", name, kActivations));
  spec.set_activation(static_cast<v1::Activation>(static_cast<int>(activation) + v1::ACTIVATION_IDENTITY));
  return absl::OkStatus();
}

// Options shared by import and upload; empty ones stay unset, so that the daemon's defaults hold.
absl::StatusOr<v1::ImportOptions> ImportOptionsOf(const FieldOptions& options) {
  static const std::vector<std::string> kKinds{"nanovdb", "dense"}, kInterps{"linear", "nearest"},
      kBorders{"zero", "clamp"};
  v1::ImportOptions import;
  import.set_grid(options.grid);
  import.set_convert_level_set(options.convert_level_set);
  if (!options.kind.empty()) {
    DVREN_ASSIGN_OR_RETURN(const std::size_t kind, ParseChoice("--kind", options.kind, kKinds));
    import.set_kind(kind == 0 ? v1::FIELD_KIND_NANOVDB : v1::FIELD_KIND_DENSE);
  }
  if (!options.box.empty()) {
    DVREN_ASSIGN_OR_RETURN(const auto box, ParseNumbers("--box", options.box, 6, "X0,Y0,Z0,X1,Y1,Z1"));
    for (std::size_t axis = 0; axis < 3; ++axis) {
      if (!(box[axis] < box[axis + 3])) {
        return InvalidField("--box", options.box, "each of X0,Y0,Z0 must be below its X1,Y1,Z1");
      }
    }
    v1::Box& message = *import.mutable_dense_grid()->mutable_box();
    message.mutable_min()->set_x(box[0]);
    message.mutable_min()->set_y(box[1]);
    message.mutable_min()->set_z(box[2]);
    message.mutable_max()->set_x(box[3]);
    message.mutable_max()->set_y(box[4]);
    message.mutable_max()->set_z(box[5]);
  }
  if (!options.interp.empty()) {
    DVREN_ASSIGN_OR_RETURN(const std::size_t interp, ParseChoice("--interp", options.interp, kInterps));
    import.mutable_dense_grid()->set_interp(interp == 0 ? v1::INTERP_LINEAR : v1::INTERP_NEAREST);
  }
  if (!options.border.empty()) {
    DVREN_ASSIGN_OR_RETURN(const std::size_t border, ParseChoice("--border", options.border, kBorders));
    import.mutable_dense_grid()->set_border(border == 0 ? v1::BORDER_ZERO : v1::BORDER_CLAMP);
  }
  if (!options.activation.empty()) {
    DVREN_RETURN_IF_ERROR(SetActivation(options.activation, *import.mutable_dense_grid()));
  }
  return import;
}

absl::StatusOr<v1::Field> SendFile(const client::Client& client, const FieldOptions& options,
                                   const v1::ImportOptions& import) {
  ProgressBar bar(Printable(options.name), ProgressBar::Unit::kBytes);
  client::UploadOptions upload;
  upload.display_name = options.name;
  upload.import = import;
  upload.progress = [&bar](std::uint64_t done, std::uint64_t total) { bar.Update(done, total); };
  return client.UploadFile(options.file, upload);
}

absl::Status Import(const Session& session, const FieldOptions& options) {
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  DVREN_ASSIGN_OR_RETURN(const v1::ImportOptions import, ImportOptionsOf(options));
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  auto field =
      options.on_server ? client.ImportOnServer(options.name, options.file, import) : SendFile(client, options, import);
  DVREN_RETURN_IF_ERROR(field.status());
  return PrintField(format, *field);
}

absl::Status Upload(const Session& session, const FieldOptions& options) {
  const std::string extension = LowerExtension(options.file);
  if (extension != ".npy" && extension != ".npz") {
    return InvalidField("ARRAY", options.file, "must be a .npy or .npz file; volumes go in by `dvrenctl field import`");
  }
  return Import(session, options);
}

// A soft ball around the origin: sigma falls from 1 at the centre to 0 at 0.9 of the box's half width.
void FillBall(int n, std::vector<float>& values) {
  values.resize(static_cast<std::size_t>(n) * static_cast<std::size_t>(n) * static_cast<std::size_t>(n));
  std::size_t at = 0;
  const auto squared = [n](int i) {
    const double x = ((i + 0.5) / n * 2 - 1) / 0.9;
    return x * x;
  };
  for (int z = 0; z < n; ++z) {
    for (int y = 0; y < n; ++y) {
      for (int x = 0; x < n; ++x)
        values[at++] = static_cast<float>(std::max(0.0, 1 - (squared(x) + squared(y) + squared(z))));
    }
  }
}

absl::Status Create(const Session& session, const FieldOptions& options) {
  static const std::vector<std::string> kShapes{"ball", "cloud"};
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  DVREN_ASSIGN_OR_RETURN(const std::size_t shape, ParseChoice("--shape", options.shape, kShapes));
  if (options.size < 8 || options.size > 1024) return InvalidField("--size", options.size, "must be 8 to 1024 voxels");
  client::UploadOptions upload;
  DVREN_RETURN_IF_ERROR(SetActivation(options.activation, *upload.import.mutable_dense_grid()));
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  io::DenseVolume cloud;
  std::vector<float> ball;
  std::span<const float> values;
  if (shape == 1) {
    cloud = io::MakeCloud(options.size, options.seed);
    values = {reinterpret_cast<const float*>(cloud.values.data()), cloud.values.size() / sizeof(float)};
  } else {
    FillBall(options.size, ball);
    values = ball;
    cloud.box = {{-10, -10, -10}, {10, 10, 10}};
  }
  upload.display_name = options.name;
  upload.source = "dvrenctl " + options.shape;
  v1::Box& box = *upload.import.mutable_dense_grid()->mutable_box();
  box.mutable_min()->set_x(cloud.box.min[0]);
  box.mutable_min()->set_y(cloud.box.min[1]);
  box.mutable_min()->set_z(cloud.box.min[2]);
  box.mutable_max()->set_x(cloud.box.max[0]);
  box.mutable_max()->set_y(cloud.box.max[1]);
  box.mutable_max()->set_z(cloud.box.max[2]);
  absl::StatusOr<v1::Field> field;
  {
    ProgressBar bar(Printable(options.name), ProgressBar::Unit::kBytes);
    upload.progress = [&bar](std::uint64_t done, std::uint64_t total) { bar.Update(done, total); };
    const std::int64_t n = options.size;
    field = client.UploadGrid(values, {n, n, n, 1}, upload);
  }
  DVREN_RETURN_IF_ERROR(field.status());
  return PrintField(format, *field);
}

absl::Status Download(const Session& session, const FieldOptions& options) {
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  DVREN_RETURN_IF_ERROR(CheckWritable("FILE", options.file));
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  absl::StatusOr<v1::Field> field;
  {
    ProgressBar bar(Printable(options.name), ProgressBar::Unit::kBytes);
    client::DownloadOptions download;
    download.progress = [&bar](std::uint64_t done, std::uint64_t total) { bar.Update(done, total); };
    field = client.DownloadField(options.name, options.file, download);
  }
  DVREN_RETURN_IF_ERROR(field.status());
  std::string line = "wrote " + options.file + ", " + HumanBytes(field->payload_bytes()) + " of values";
  const bool colors = field->has_dense_grid() && field->channels() > 1;
  if (colors && LowerExtension(options.file) == ".nvdb") line += "; density alone, a .vdb holds the colours as well";
  if (colors && LowerExtension(options.file) == ".vdb")
    line += "; import it with --kind dense to have the colours back";
  Print(std::cout, format, Value{{"file", options.file}, {"field", FieldValue(*field)}}, Table{{}, {{line}}});
  return absl::OkStatus();
}

absl::Status List(const Session& session, const FieldOptions& options) {
  static const std::vector<std::string> kOrders{"name", "create_time"};
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  if (!options.order_by.empty()) DVREN_RETURN_IF_ERROR(ParseChoice("--order-by", options.order_by, kOrders).status());
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  DVREN_ASSIGN_OR_RETURN(const auto fields, client.ListFields(options.filter, options.order_by));
  Print(std::cout, format, FieldsValue(fields), FieldsTable(fields));
  return absl::OkStatus();
}

absl::Status Get(const Session& session, const FieldOptions& options) {
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  DVREN_ASSIGN_OR_RETURN(const v1::Field field, client.GetField(options.name));
  return PrintField(format, field);
}

absl::Status Delete(const Session& session, const FieldOptions& options) {
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  if (options.expected_version != 0 && options.names.size() != 1) {
    return InvalidField("--expected-version", options.expected_version, "goes with one field at a time");
  }
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  // What was deleted is said even where a later name fails.
  Value deleted = Value::array();
  Table table;
  absl::Status status;
  for (const std::string& name : options.names) {
    status = client.DeleteField(name, options.expected_version);
    if (!status.ok()) break;
    deleted.push_back(name);
    table.rows.push_back({"deleted " + Printable(name)});
  }
  if (status.ok() || !deleted.empty()) Print(std::cout, format, Value{{"deleted", deleted}}, table);
  return status;
}

void AddActivationOption(CLI::App& command, const Options& options) {
  command
      .add_option("--activation", options->activation,
                  "What makes density of the values, which may then be negative; default: identity, the values "
                  "themselves")
      ->type_name("identity|softplus|exp|trunc_exp");
}

void AddArrayOptions(CLI::App& command, const Options& options) {
  command.add_option("--box", options->box, "World bounds of the array; default: the unit cube")
      ->type_name("X0,Y0,Z0,X1,Y1,Z1");
  command.add_option("--interp", options->interp, "Between voxel centres; default: linear")
      ->type_name("linear|nearest");
  command
      .add_option("--border", options->border, "Outside the box: nothing, or the edge's values for ever; default: zero")
      ->type_name("zero|clamp");
  AddActivationOption(command, options);
}

// A subcommand whose action is `run`.
CLI::App* AddCommand(CLI::App& parent, Session& session, const Options& options, const std::string& name,
                     const std::string& description, absl::Status (*run)(const Session&, const FieldOptions&)) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->fallthrough();
  command->callback(
      [&session, options, run] { session.action = [&session, options, run] { return run(session, *options); }; });
  return command;
}

}  // namespace

void AddFieldCommands(CLI::App& app, Session& session) {
  CLI::App& field = *app.add_subcommand("field", "Put volumes into the daemon, list them, get them back, delete them");
  field.fallthrough();
  field.require_subcommand(1);
  field.footer(
      "Examples:\n  dvrenctl field import smoke smoke.vdb\n  dvrenctl field list\n  dvrenctl field delete smoke");
  const auto options = std::make_shared<FieldOptions>();

  CLI::App* import =
      AddCommand(field, session, options, "import", "Make a field from a volume file: .vdb, .nvdb, .npy, .npz", Import);
  import->add_option("NAME", options->name, "Name of the new field")->required();
  import->add_option("FILE", options->file, "The file; it is sent to the daemon in chunks")
      ->required()
      ->type_name("FILE");
  import->add_option("--grid", options->grid, "Grid of the file (array of an .npz); default: density, or the only one")
      ->type_name("GRID");
  import
      ->add_option("--kind", options->kind,
                   "Keep it sparse, or as a dense array; default: nanovdb for VDB files, dense for arrays")
      ->type_name("nanovdb|dense");
  import->add_flag("--on-server", options->on_server,
                   "FILE is a path on the daemon's machine, below one of its --root folders");
  import->add_flag("--convert-level-set", options->convert_level_set,
                   "Turn a level set into fog instead of refusing it");
  AddArrayOptions(*import, options);
  import->footer(
      "Examples:\n"
      "  dvrenctl field import smoke smoke.vdb\n"
      "  dvrenctl field import bunny bunny.vdb --grid ls_bunny --convert-level-set\n"
      "  dvrenctl field import smoke /data/volumes/smoke.vdb --on-server --kind dense");

  CLI::App* upload = AddCommand(field, session, options, "upload", "Make a dense field from a NumPy array", Upload);
  upload->add_option("NAME", options->name, "Name of the new field")->required();
  upload->add_option("ARRAY", options->file, "An .npy file, (nz, ny, nx) or (nz, ny, nx, channels) of f16, f32 or f64")
      ->required()
      ->type_name("FILE");
  upload->add_option("--grid", options->grid, "Array of an .npz; default: density, or the only one")
      ->type_name("ARRAY");
  AddArrayOptions(*upload, options);
  upload->footer(
      "Channels: 1 = density; 4 = r, g, b, density; 13, 28, 49 = spherical harmonics of r, then g, then b, then "
      "density.\n"
      "Density is absorption per world unit: finite and, without --activation, not negative.\n"
      "Examples:\n"
      "  python3 -c \"import numpy; numpy.save('half.npy', numpy.full((64, 64, 64), 0.5, 'f4'))\"\n"
      "  dvrenctl field upload half half.npy --box -1,-1,-1,1,1,1\n"
      "  dvrenctl field upload labels labels.npy --interp nearest --border clamp\n"
      "  dvrenctl field upload raw raw.npy --activation softplus");

  CLI::App* create = AddCommand(field, session, options, "create",
                                "Make a sample field by code, to try things without a file", Create);
  create->add_option("NAME", options->name, "Name of the new field")->required();
  create->add_option("--shape", options->shape, "A soft ball or a cumulus cloud, in the box from -10 to 10")
      ->type_name("ball|cloud")
      ->capture_default_str();
  create->add_option("--size", options->size, "Voxels along each edge, 8 to 1024")
      ->type_name("N")
      ->capture_default_str();
  create->add_option("--seed", options->seed, "Another number gives another cloud")
      ->type_name("S")
      ->capture_default_str();
  AddActivationOption(*create, options);
  create->footer(
      "Examples:\n  dvrenctl field create ball\n  dvrenctl field create cumulus --shape cloud --size 256 --seed 7");

  CLI::App* download = AddCommand(field, session, options, "download", "Write a field to a file", Download);
  download->add_option("NAME", options->name, "Name or id of the field")->required()->type_name("FIELD");
  download
      ->add_option("FILE", options->file,
                   ".vdb (density and colours), .nvdb (density), .npz or .npy (dense fields), .raw for the bare values")
      ->required()
      ->type_name("FILE");
  download->footer(
      "What a dense field becomes:\n"
      "  .vdb    \"density\" in 1/world unit (twice as fine where the field has an activation), \"color\", and\n"
      "          \"sh1\" ... of spherical harmonics; `field import --kind dense` has all of it back\n"
      "  .nvdb   the density alone\n"
      "  .npz    values as stored, density of each voxel, box, local_to_world\n"
      "  .npy    values as stored\n"
      "Interpolation and border are not in the file.\n"
      "Examples:\n  dvrenctl field download smoke smoke.nvdb\n  dvrenctl field download lego lego.vdb");

  CLI::App* list = AddCommand(field, session, options, "list", "List the fields that are yours", List);
  list->add_option("--filter", options->filter, "Only names that contain this")->type_name("TEXT");
  list->add_option("--order-by", options->order_by, "Default: name")->type_name("name|create_time");
  list->footer("Examples:\n  dvrenctl field list\n  dvrenctl field list --filter smoke -o json | jq -r '.[].name'");

  CLI::App* get = AddCommand(field, session, options, "get", "Show everything about one field", Get);
  get->add_option("NAME", options->name, "Name or id of the field")->required()->type_name("FIELD");
  get->footer("Examples:\n  dvrenctl field get smoke\n  dvrenctl field get fields/0123abcd -o yaml");

  CLI::App* remove = AddCommand(field, session, options, "delete", "Delete fields for good", Delete);
  remove->add_option("NAME", options->names, "Names or ids of the fields")->required()->type_name("FIELD");
  remove->add_option("--expected-version", options->expected_version, "Only if this is the field's current version")
      ->type_name("V");
  remove->footer("Examples:\n  dvrenctl field delete smoke\n  dvrenctl field delete old older oldest");
}

}  // namespace dvren::ctl
