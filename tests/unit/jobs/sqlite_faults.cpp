#include "unit/jobs/sqlite_faults.h"

#include <sqlite3.h>

#include <atomic>
#include <list>
#include <mutex>

namespace dvren::test {
namespace {

std::atomic<int> write_fault{0}, sync_fault{0};

// A file's methods with two in other places; `own` first, so that a file's pMethods points to all of it.
struct Methods {
  sqlite3_io_methods own;
  const sqlite3_io_methods* original;
};

const sqlite3_io_methods* Original(const sqlite3_file* file) {
  return reinterpret_cast<const Methods*>(file->pMethods)->original;
}

int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  const int fault = write_fault;
  return fault != 0 ? fault : Original(file)->xWrite(file, data, size, offset);
}

int Sync(sqlite3_file* file, int flags) {
  const int fault = sync_fault;
  return fault != 0 ? fault : Original(file)->xSync(file, flags);
}

const sqlite3_io_methods* Replace(const sqlite3_io_methods* original) {
  static std::mutex mutex;
  static std::list<Methods> known;
  const std::lock_guard<std::mutex> lock(mutex);
  for (const Methods& methods : known) {
    if (methods.original == original) return &methods.own;
  }
  known.push_back({*original, original});
  known.back().own.xWrite = Write;
  known.back().own.xSync = Sync;
  return &known.back().own;
}

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  static sqlite3_vfs* const plain = sqlite3_vfs_find("unix");
  const int code = plain->xOpen(vfs, name, file, flags, out_flags);
  if (file->pMethods != nullptr) file->pMethods = Replace(file->pMethods);
  return code;
}

void Install() {
  static const bool installed = [] {
    static sqlite3_vfs vfs = *sqlite3_vfs_find("unix");
    vfs.zName = "dvren-faults";
    vfs.xOpen = Open;
    return sqlite3_vfs_register(&vfs, 1) == SQLITE_OK;
  }();
  (void)installed;
}

}  // namespace

void SetSqliteFault(int code, bool also_sync) {
  Install();
  write_fault = code;
  sync_fault = also_sync ? code : 0;
}

}  // namespace dvren::test
