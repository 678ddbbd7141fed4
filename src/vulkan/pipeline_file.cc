#include "vulkan/pipeline_file.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <system_error>

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
  std::string found(identity.size(), '\0');
  std::vector<uint8_t> binaries(header.binary_bytes);
  if (!file.read(found.data(), static_cast<std::streamsize>(found.size())) || found != identity) return {};
  if (!file.read(reinterpret_cast<char*>(binaries.data()), static_cast<std::streamsize>(binaries.size()))) return {};
  if (Checksum(found, binaries) != header.checksum) return {};
  return binaries;
}

bool PipelineFile::Write(const std::vector<uint8_t>& binaries) const {
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  std::random_device random;
  std::string temporary = fmt::format("{}.{:08x}{:08x}.tmp", path, random(), random());
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.identity_bytes = identity.size();
  header.binary_bytes = binaries.size();
  header.checksum = Checksum(identity, binaries);
  {
    std::ofstream file(temporary, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&header), sizeof(header));
    file.write(identity.data(), static_cast<std::streamsize>(identity.size()));
    file.write(reinterpret_cast<const char*>(binaries.data()), static_cast<std::streamsize>(binaries.size()));
    file.flush();
    if (!file) {
      file.close();
      fs::remove(temporary, error);
      return false;
    }
  }
  fs::rename(temporary, path, error);
  if (!error) return true;
  fs::remove(temporary, error);
  return false;
}

}  // namespace tfvk::vulkan
