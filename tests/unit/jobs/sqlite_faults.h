// Disks that are full or broken, for SQLite: from the first call on every file that SQLite opens goes through here.
#pragma once

namespace dvren::test {

// `code` is what writes (and with `also_sync` fsyncs) give from now on, such as SQLITE_FULL; 0: they work again.
void SetSqliteFault(int code, bool also_sync = false);

}  // namespace dvren::test
