#include "vulkan/pipeline_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <thread>

#include "types/error.h"

namespace tfvk::vulkan {
namespace {

namespace fs = std::filesystem;

// File: header, identity, binaries.
struct Header {
  char magic[8];
  uint64_t identity_bytes, binary_bytes;
  uint64_t checksum;  // of identity and binaries
};
constexpr char kMagic[8] = {'T', 'F', 'V', 'K', 'P', 'I', 'P', '1'};

// FNV-1a over 64-bit words, the last one padded with zeros (lengths are checked apart).
uint64_t Checksum(uint64_t state, const uint8_t* bytes, size_t count) {
  for (size_t i = 0; i < count; i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes + i, std::min<size_t>(8, count - i));
    state = (state ^ word) * 0x100000001b3ull;
    state ^= state >> 29;
  }
  return state;
}

uint64_t Checksum(const std::string& identity, const std::vector<uint8_t>& binaries) {
  uint64_t state = Checksum(0xcbf29ce484222325ull, reinterpret_cast<const uint8_t*>(identity.data()), identity.size());
  return Checksum(state, binaries.data(), binaries.size());
}

// Others hold the file for as long as they merge and write; one that is stopped must not stop this process too, which may be about to exit.
constexpr auto kLongestWait = std::chrono::seconds(5);
constexpr auto kPause = std::chrono::milliseconds(2);

// The file beside the cache in which its next content is written, and which then takes its place. Its lock makes it one writer's; the system drops the lock
// when that process ends, however it ends, and what it has left here the next writer overwrites: there is never more than this one file.
class NextFile {
 public:
  explicit NextFile(const std::string& path) : path_(path + ".next") {}
  ~NextFile() { Close(); }
  NextFile(const NextFile&) = delete;
  NextFile& operator=(const NextFile&) = delete;

  // Makes it this writer's, and empty.
  bool Take() {
    const auto end = std::chrono::steady_clock::now() + kLongestWait;
    do {
      descriptor_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
      if (descriptor_ < 0) return false;
      const bool locked = flock(descriptor_, LOCK_EX | LOCK_NB) == 0;
      const bool held = !locked && (errno == EWOULDBLOCK || errno == EINTR);
      // On a file system without locks writers may mix up their contents, which the checksum then refuses.
      if (!held && IsAtItsPath()) return ftruncate(descriptor_, 0) == 0;
      Close();
      if (held) std::this_thread::sleep_for(kPause);
    } while (std::chrono::steady_clock::now() < end);
    return false;
  }

  bool Append(const void* bytes, size_t count) {
    for (const char* next = static_cast<const char*>(bytes); count != 0;) {
      const ssize_t written = write(descriptor_, next, count);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      next += written;
      count -= static_cast<size_t>(written);
    }
    return true;
  }

  bool MoveTo(const std::string& path) { return std::rename(path_.c_str(), path.c_str()) == 0; }
  void Remove() { unlink(path_.c_str()); }

 private:
  // False when the writer before this one has moved away the file that was opened.
  bool IsAtItsPath() const {
    struct stat opened, present;
    return fstat(descriptor_, &opened) == 0 && stat(path_.c_str(), &present) == 0 && opened.st_ino == present.st_ino && opened.st_dev == present.st_dev;
  }
  void Close() {
    if (descriptor_ < 0) return;
    flock(descriptor_, LOCK_UN);  // a child that was forked meanwhile has the descriptor too, and would keep the lock
    close(descriptor_);
    descriptor_ = -1;
  }

  const std::string path_;
  int descriptor_ = -1;
};

}  // namespace

std::vector<uint8_t> PipelineFile::Read() const {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return {};
  // The size of the file that was opened: another process may put a new one in its place at any time.
  const auto size = static_cast<uint64_t>(file.tellg());
  if (size < sizeof(Header) + identity.size()) return {};
  file.seekg(0);
  Header header;
  if (!file.read(reinterpret_cast<char*>(&header), sizeof(header)) || std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) return {};
  if (header.identity_bytes != identity.size() || header.binary_bytes != size - sizeof(Header) - identity.size()) return {};
  if (header.binary_bytes > largest) return {};
  std::string found(identity.size(), '\0');
  std::vector<uint8_t> binaries(header.binary_bytes);
  if (!file.read(found.data(), static_cast<std::streamsize>(found.size())) || found != identity) return {};
  if (!file.read(reinterpret_cast<char*>(binaries.data()), static_cast<std::streamsize>(binaries.size()))) return {};
  if (Checksum(found, binaries) != header.checksum) return {};
  return binaries;
}

bool PipelineFile::Update(const std::function<std::vector<uint8_t>(std::vector<uint8_t> found)>& change) const {
  std::error_code ignored;
  fs::create_directories(fs::path(path).parent_path(), ignored);
  NextFile next(path);
  if (!next.Take()) return false;
  const std::vector<uint8_t> binaries = change(Read());
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.identity_bytes = identity.size();
  header.binary_bytes = binaries.size();
  header.checksum = Checksum(identity, binaries);
  if (!binaries.empty() && next.Append(&header, sizeof header) && next.Append(identity.data(), identity.size()) &&
      next.Append(binaries.data(), binaries.size()) && next.MoveTo(path)) {
    return true;
  }
  next.Remove();
  return false;
}

}  // namespace tfvk::vulkan
