// What must hold between the rows of a job queue, as SQL that every server understands. Each query gives the ids of the
// jobs for which it does not.
#pragma once

#include <utility>

namespace dvren::server {

inline constexpr std::pair<const char*, const char*> kJobChecks[] = {
    {"events without a job", "SELECT DISTINCT job_id FROM events WHERE job_id NOT IN (SELECT id FROM jobs)"},
    {"artifacts without a job", "SELECT DISTINCT job_id FROM artifacts WHERE job_id NOT IN (SELECT id FROM jobs)"},
    {"events are not numbered without gaps",
     "SELECT id FROM jobs WHERE last_event <> (SELECT COUNT(*) FROM events WHERE job_id = id)"
     " OR last_event <> (SELECT COALESCE(MAX(number), 0) FROM events WHERE job_id = id)"},
    {"a state that does not exist", "SELECT id FROM jobs WHERE state < 0 OR state > 5"},
    {"runs, and nobody runs it", "SELECT id FROM jobs WHERE state = 1 AND daemon = ''"},
    {"finished without a time", "SELECT id FROM jobs WHERE state > 2 AND finished_ms = 0"},
};

}  // namespace dvren::server
