// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/elf_image.h"

#include <elf.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>

namespace gw::plugin_host {

namespace {

using base::Error;

constexpr std::size_t kMaxSegments = 128;
constexpr std::size_t kMaxNeeded = 128;
constexpr std::size_t kMaxDynamic = 4096;
constexpr std::size_t kMaxNameBytes = 4096;
constexpr std::uint32_t kNoteType = 1;
constexpr std::string_view kNoteName{"gateway\0", 8};

#if defined(__x86_64__)
constexpr int kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr int kMachine = EM_AARCH64;
#else
constexpr int kMachine = EM_NONE;
#endif

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  base::Result<ElfImage> read() {
    if (auto wrong = read_header()) return Error{*wrong};
    if (auto wrong = read_segments()) return Error{*wrong};
    ElfImage image;
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type != PT_NOTE) continue;
      if (auto wrong = read_notes(segment, image)) return Error{*wrong};
    }
    if (auto wrong = read_dynamic(image)) return Error{*wrong};
    return image;
  }

 private:
  using Wrong = std::optional<std::string>;

  // `size` bytes at `offset`, or nothing when they are not all inside the file.
  std::optional<std::string_view> slice(std::uint64_t offset, std::uint64_t size) const {
    if (offset > bytes_.size() || size > bytes_.size() - offset) return std::nullopt;
    return bytes_.substr(offset, size);
  }

  template <class T>
  static T load(std::string_view at) {
    T value;
    std::memcpy(&value, at.data(), sizeof value);
    return value;
  }

  Wrong read_header() {
    if (bytes_.size() < SELFMAG || bytes_.substr(0, SELFMAG) != ELFMAG)
      return "is not a shared library (no ELF file)";
    if (bytes_.size() < sizeof header_) return "is cut off within the ELF header";
    header_ = load<Elf64_Ehdr>(bytes_);
    if (header_.e_ident[EI_CLASS] != ELFCLASS64) return "is not a 64-bit library";
    constexpr int order = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
    if (header_.e_ident[EI_DATA] != order || header_.e_machine != kMachine)
      return "is built for another machine";
    if (header_.e_type != ET_DYN) return "is an ELF file, but not a shared library";
    return std::nullopt;
  }

  Wrong read_segments() {
    if (header_.e_phentsize != sizeof(Elf64_Phdr) || header_.e_phnum == 0 ||
        header_.e_phnum > kMaxSegments)
      return "has a program header table of an unknown form";
    auto table = slice(header_.e_phoff, header_.e_phnum * sizeof(Elf64_Phdr));
    if (!table) return "is cut off: the program header table is not in the file";
    for (std::size_t i = 0; i < header_.e_phnum; ++i)
      segments_.push_back(load<Elf64_Phdr>(table->substr(i * sizeof(Elf64_Phdr))));
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type == PT_LOAD && !slice(segment.p_offset, segment.p_filesz))
        return "is cut off: a segment reaches past the end of the file";
    }
    return std::nullopt;
  }

  Wrong read_notes(const Elf64_Phdr& segment, ElfImage& image) const {
    auto notes = slice(segment.p_offset, segment.p_filesz);
    if (!notes) return "is cut off: its notes are not in the file";
    const std::uint64_t align = segment.p_align == 8 ? 8 : 4;
    auto padded = [align](std::uint64_t size) { return (size + align - 1) / align * align; };
    while (notes->size() >= sizeof(Elf64_Nhdr)) {
      const auto note = load<Elf64_Nhdr>(*notes);
      const std::uint64_t text_at = padded(sizeof note + std::uint64_t{note.n_namesz});
      // Counted without the padding: a section that ends with a note need not be padded.
      if (text_at > notes->size() || note.n_descsz > notes->size() - text_at)
        return "has a damaged note";
      if (note.n_type == kNoteType && notes->substr(sizeof note, note.n_namesz) == kNoteName) {
        if (!image.manifest.empty()) return "has two manifests";
        if (note.n_descsz > kMaxManifestBytes) return "has a manifest above 256 KiB";
        image.manifest = notes->substr(text_at, note.n_descsz);
        while (!image.manifest.empty() && image.manifest.back() == 0) image.manifest.pop_back();
      }
      const std::uint64_t next = padded(text_at + note.n_descsz);
      if (next >= notes->size()) break;
      notes->remove_prefix(next);
    }
    return std::nullopt;
  }

  // From an address in memory to one in the file.
  std::optional<std::uint64_t> file_offset(std::uint64_t address) const {
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
          address - segment.p_vaddr < segment.p_filesz)
        return segment.p_offset + (address - segment.p_vaddr);
    }
    return std::nullopt;
  }

  // The text at `offset` of the string table; must end inside of it.
  std::optional<std::string> text(std::string_view table, std::uint64_t offset) const {
    if (offset >= table.size()) return std::nullopt;
    const std::string_view rest = table.substr(offset, kMaxNameBytes);
    const std::size_t end = rest.find('\0');
    if (end == std::string_view::npos) return std::nullopt;
    return std::string(rest.substr(0, end));
  }

  Wrong read_dynamic(ElfImage& image) const {
    const Elf64_Phdr* dynamic = nullptr;
    for (const Elf64_Phdr& segment : segments_)
      if (segment.p_type == PT_DYNAMIC) dynamic = &segment;
    if (dynamic == nullptr) return "is not a shared library (no dynamic section)";
    auto entries = slice(dynamic->p_offset, dynamic->p_filesz);
    if (!entries) return "is cut off: its dynamic section is not in the file";

    std::vector<std::uint64_t> needed, paths;
    std::uint64_t table_at = 0, table_size = 0;
    for (std::size_t i = 0; i < kMaxDynamic && (i + 1) * sizeof(Elf64_Dyn) <= entries->size();
         ++i) {
      const auto entry = load<Elf64_Dyn>(entries->substr(i * sizeof(Elf64_Dyn)));
      if (entry.d_tag == DT_NULL) break;
      if (entry.d_tag == DT_NEEDED) needed.push_back(entry.d_un.d_val);
      if (entry.d_tag == DT_RUNPATH || entry.d_tag == DT_RPATH) paths.push_back(entry.d_un.d_val);
      if (entry.d_tag == DT_STRTAB) table_at = entry.d_un.d_ptr;
      if (entry.d_tag == DT_STRSZ) table_size = entry.d_un.d_val;
    }
    if (needed.size() > kMaxNeeded) return "asks for too many libraries";
    const auto offset = file_offset(table_at);
    const auto table = offset ? slice(*offset, table_size) : std::nullopt;
    if (!table) return "has a damaged dynamic section";
    for (std::uint64_t at : needed) {
      auto name = text(*table, at);
      if (!name) return "has a damaged dynamic section";
      image.needed.push_back(*std::move(name));
    }
    for (std::uint64_t at : paths) {
      auto path = text(*table, at);
      if (!path) return "has a damaged dynamic section";
      image.origin |= path->find("$ORIGIN") != std::string::npos ||
                      path->find("${ORIGIN}") != std::string::npos;
    }
    return std::nullopt;
  }

  std::string_view bytes_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> segments_;
};

}  // namespace

base::Result<ElfImage> read_elf(std::string_view bytes) {
  return Reader(bytes).read();
}

}  // namespace gw::plugin_host
