#include "dvren/io/jpeg.h"

// jpeglib.h needs size_t and FILE from these.
#include <cstddef>
#include <cstdio>
// clang-format off
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <csetjmp>

#include "byte_reader.h"
#include "out_of_memory.h"
#include "printable.h"

namespace dvren::io {
namespace {

// A progressive file may say the same pixels over and over; encoders write about ten scans.
constexpr int kMostScans = 200;

// What libjpeg's callbacks work on. It leaves by longjmp, so the functions that call setjmp hold nothing that has a
// destructor: everything lives here, with the caller.
struct Session {
  jpeg_error_mgr errors{};  // first: libjpeg hands out a pointer to it
  std::jmp_buf leave{};
  char message[JMSG_LENGTH_MAX] = {};
  jpeg_progress_mgr progress{};
  std::vector<std::uint8_t> bytes;  // the file
  JpegHeader header;
  std::uint64_t max_bytes = 0;
  bool too_big = false, four_colors = false, no_memory = false;
  std::vector<std::uint8_t> samples;
};

Session* SessionOf(j_common_ptr jpeg) {
  return reinterpret_cast<Session*>(jpeg->err);
}

[[noreturn]] void OnError(j_common_ptr jpeg) {
  Session* session = SessionOf(jpeg);
  (*jpeg->err->format_message)(jpeg, session->message);
  session->no_memory = jpeg->err->msg_code == JERR_OUT_OF_MEMORY;
  std::longjmp(session->leave, 1);
}

// libjpeg warns where it makes up pixels for data that are damaged or not there; that is an error here. Rubbish between
// markers and an unknown version do no harm.
void OnMessage(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  const int code = jpeg->err->msg_code;
  if (code != JWRN_EXTRANEOUS_DATA && code != JWRN_JFIF_MAJOR) OnError(jpeg);
}
void OnOutput(j_common_ptr) {}

void OnProgress(j_common_ptr jpeg) {
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number > kMostScans) {
    std::snprintf(SessionOf(jpeg)->message, JMSG_LENGTH_MAX, "more than %d scans", kMostScans);
    std::longjmp(SessionOf(jpeg)->leave, 1);
  }
}

bool Decode(Session* session, bool header_only) {
  jpeg_decompress_struct jpeg{};
  jpeg.err = jpeg_std_error(&session->errors);
  session->errors.error_exit = OnError;
  session->errors.emit_message = OnMessage;
  session->errors.output_message = OnOutput;
  if (setjmp(session->leave) != 0) {
    jpeg_destroy_decompress(&jpeg);
    return false;
  }
  jpeg_create_decompress(&jpeg);
  session->progress.progress_monitor = OnProgress;
  jpeg.progress = &session->progress;
  jpeg_mem_src(&jpeg, session->bytes.data(), static_cast<unsigned long>(session->bytes.size()));
  jpeg_read_header(&jpeg, TRUE);
  const bool grey = jpeg.jpeg_color_space == JCS_GRAYSCALE;
  session->header = {static_cast<int>(jpeg.image_width), static_cast<int>(jpeg.image_height), grey ? 1 : 3};
  session->four_colors = !grey && jpeg.jpeg_color_space != JCS_YCbCr && jpeg.jpeg_color_space != JCS_RGB;
  const std::uint64_t row = std::uint64_t{jpeg.image_width} * static_cast<std::uint64_t>(session->header.channels);
  session->too_big = row * jpeg.image_height > session->max_bytes;
  if (session->four_colors || session->too_big || header_only) {
    jpeg_destroy_decompress(&jpeg);
    return !session->four_colors && !session->too_big;
  }
  jpeg.out_color_space = grey ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&jpeg);
  session->samples.resize(row * jpeg.image_height);
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW to = session->samples.data() + row * jpeg.output_scanline;
    jpeg_read_scanlines(&jpeg, &to, 1);
  }
  jpeg_finish_decompress(&jpeg);
  jpeg_destroy_decompress(&jpeg);
  return true;
}

absl::Status Run(const std::string& path, Session* session, bool header_only) {
  if (Decode(session, header_only)) return absl::OkStatus();
  if (session->no_memory) return OutOfMemory(path);
  if (session->too_big) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path, ": takes more than the ", session->max_bytes, " bytes allowed"));
  }
  if (session->four_colors) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is a JPEG in CMYK: convert it to RGB"));
  }
  return absl::InvalidArgumentError(absl::StrCat(path, ": not a readable JPEG: ", Printable(session->message)));
}

}  // namespace

absl::StatusOr<JpegHeader> ReadJpegHeader(const std::string& path) {
  DVREN_ASSIGN_OR_RETURN(std::unique_ptr<FileReader> file, FileReader::Open(path, path));
  Session session;
  session.max_bytes = UINT64_MAX;
  // The header stands behind what cameras put first, thumbnails above all: try with a little, then with everything.
  for (const std::uint64_t part : {std::uint64_t{1} << 16, std::uint64_t{1} << 30}) {
    session.bytes.resize(std::min(file->size(), part));
    DVREN_RETURN_IF_ERROR(file->ReadAt(0, session.bytes.data(), session.bytes.size()));
    const absl::Status status = Run(path, &session, true);
    if (status.ok()) return session.header;
    if (session.bytes.size() == file->size() || session.four_colors) return status;
  }
  return absl::InvalidArgumentError(absl::StrCat(path, ": not a readable JPEG: no picture in its first GiB"));
}

absl::StatusOr<JpegImage> ReadJpeg(const std::string& path, std::uint64_t max_bytes) {
  DVREN_ASSIGN_OR_RETURN(std::unique_ptr<FileReader> file, FileReader::Open(path, path));
  if (file->size() > max_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(path, ": takes more than the ", max_bytes, " bytes allowed"));
  }
  Session session;
  session.max_bytes = max_bytes;
  session.bytes.resize(file->size());
  DVREN_RETURN_IF_ERROR(file->ReadAt(0, session.bytes.data(), session.bytes.size()));
  DVREN_RETURN_IF_ERROR(Run(path, &session, false));
  return JpegImage{session.header, std::move(session.samples)};
}

}  // namespace dvren::io
