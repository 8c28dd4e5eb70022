// The table of field types. A new one is one line in RegisterBuiltinFields, and one in FieldTypeOf's overloads where it
// comes with a new kind of volume.
#include <variant>

#include "dvren/fields/field.h"
#include "fields/dense_grid_field.h"
#include "fields/nanovdb_field.h"

namespace dvren {
namespace {

struct TypeName {
  std::string operator()(const io::DenseVolume&) const { return "dense_grid"; }
  std::string operator()(const io::NanoVdbVolume&) const { return "nanovdb"; }
};

}  // namespace

void RegisterBuiltinFields(FieldRegistry& registry) {
  registry.Add<DenseGridField>("dense_grid");
  registry.Add<NanoVdbField>("nanovdb");
}

const FieldRegistry& BuiltinFields() {
  static const FieldRegistry registry = [] {
    FieldRegistry r("field.type");
    RegisterBuiltinFields(r);
    return r;
  }();
  return registry;
}

std::string FieldTypeOf(const io::Volume& volume) {
  return std::visit(TypeName{}, volume);
}

}  // namespace dvren
