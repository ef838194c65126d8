// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/elf_image.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <random>
#include <string>

namespace gw::plugin_host {
namespace {

#if defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#else
constexpr Elf64_Half kMachine = EM_X86_64;
#endif

// A shared library as small as the reader needs it: one segment over the whole file, a note, a
// dynamic section.
struct TinyElf {
  Elf64_Ehdr header{};
  Elf64_Phdr load{}, note{}, dynamic{};
  Elf64_Nhdr note_head{8, 0, 1};
  std::string note_name{"gateway\0", 8};
  std::string manifest = "id = \"x\"";
  std::string strings{"\0libone.so\0$ORIGIN\0", 19};
  std::vector<Elf64_Dyn> entries;

  TinyElf() {
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = ET_DYN;
    header.e_machine = kMachine;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 3;
    load.p_type = PT_LOAD;
    note.p_type = PT_NOTE;
    note.p_align = 4;
    dynamic.p_type = PT_DYNAMIC;
  }

  // Lays the parts out one after the other, then lets `damage` change what it likes.
  std::string bytes(const std::function<void(TinyElf&)>& damage = {}) {
    note_head.n_descsz = static_cast<Elf64_Word>(manifest.size() + 1);
    note.p_offset = sizeof header + 3 * sizeof(Elf64_Phdr);
    note.p_filesz = sizeof note_head + 8 + (manifest.size() + 1 + 3) / 4 * 4;
    const auto strings_at = note.p_offset + note.p_filesz;
    dynamic.p_offset = strings_at + strings.size();
    entries = {{DT_NEEDED, {1}},
               {DT_RUNPATH, {11}},
               {DT_STRTAB, {strings_at}},
               {DT_STRSZ, {strings.size()}},
               {DT_NULL, {0}}};
    dynamic.p_filesz = entries.size() * sizeof(Elf64_Dyn);
    load.p_filesz = dynamic.p_offset + dynamic.p_filesz;
    if (damage) damage(*this);

    std::string out;
    auto put = [&out](const void* at, std::size_t size) {
      out.append(static_cast<const char*>(at), size);
    };
    put(&header, sizeof header);
    for (const Elf64_Phdr* segment : {&load, &note, &dynamic}) put(segment, sizeof *segment);
    put(&note_head, sizeof note_head);
    out += note_name + manifest;
    out.resize(strings_at);
    out += strings;
    put(entries.data(), entries.size() * sizeof(Elf64_Dyn));
    return out;
  }
};

TEST(ElfImage, ReadsManifestAndNeededLibraries) {
  auto image = read_elf(TinyElf().bytes());
  ASSERT_TRUE(image.ok()) << image.error();
  EXPECT_EQ(image->manifest, "id = \"x\"");
  EXPECT_EQ(image->needed, std::vector<std::string>{"libone.so"});
  EXPECT_TRUE(image->origin);
}

TEST(ElfImage, HasNoManifestWithoutTheNote) {
  auto image = read_elf(TinyElf().bytes([](TinyElf& elf) { elf.note_head.n_type = 2; }));
  ASSERT_TRUE(image.ok()) << image.error();
  EXPECT_EQ(image->manifest, "");
}

// Notes of 8-byte alignment (.note.gnu.property) count the padding from the note's start.
TEST(ElfImage, ReadsAProgramWithNotesOfTheCompiler) {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  auto image = read_elf(bytes);
  ASSERT_TRUE(image.ok()) << image.error();
  EXPECT_EQ(image->manifest, "");
  EXPECT_FALSE(image->needed.empty());
}

TEST(ElfImage, RefusesWhatIsDamaged) {
  const std::pair<const char*, std::function<void(TinyElf&)>> cases[] = {
      {"no ELF file", [](TinyElf& e) { e.header.e_ident[0] = 'E'; }},
      {"not a 64-bit", [](TinyElf& e) { e.header.e_ident[EI_CLASS] = ELFCLASS32; }},
      {"another machine", [](TinyElf& e) { e.header.e_machine = EM_S390; }},
      {"another machine", [](TinyElf& e) { e.header.e_ident[EI_DATA] = ELFDATA2MSB; }},
      {"not a shared library", [](TinyElf& e) { e.header.e_type = ET_REL; }},
      {"unknown form", [](TinyElf& e) { e.header.e_phentsize = 1; }},
      {"unknown form", [](TinyElf& e) { e.header.e_phnum = 65535; }},
      {"cut off", [](TinyElf& e) { e.header.e_phoff = ~std::uint64_t{0} - 8; }},
      {"cut off", [](TinyElf& e) { e.load.p_filesz += 1; }},
      {"cut off", [](TinyElf& e) { e.note.p_offset = ~std::uint64_t{0}; }},
      {"cut off", [](TinyElf& e) { e.note.p_filesz = ~std::uint64_t{0}; }},
      {"damaged note", [](TinyElf& e) { e.note_head.n_namesz = 0xffffffff; }},
      {"damaged note", [](TinyElf& e) { e.note_head.n_descsz = 0xffffffff; }},
      {"damaged note", [](TinyElf& e) { e.note_head.n_descsz = 100; }},
      {"no dynamic section", [](TinyElf& e) { e.dynamic.p_type = PT_NULL; }},
      {"cut off", [](TinyElf& e) { e.dynamic.p_filesz = 1 << 30; }},
      {"damaged dynamic", [](TinyElf& e) { e.entries[0].d_un.d_val = 1 << 20; }},
      {"damaged dynamic", [](TinyElf& e) { e.entries[2].d_un.d_ptr = ~std::uint64_t{0}; }},
      {"damaged dynamic", [](TinyElf& e) { e.entries[3].d_un.d_val = ~std::uint64_t{0}; }},
      {"damaged dynamic", [](TinyElf& e) { e.entries[3].d_un.d_val = 5; }},
  };
  int number = 0;
  for (const auto& [expected, damage] : cases) {
    auto image = read_elf(TinyElf().bytes(damage));
    ASSERT_FALSE(image.ok()) << expected << " (case " << number << ")";
    EXPECT_NE(image.error().find(expected), std::string::npos)
        << image.error() << " (case " << number << ")";
    ++number;
  }
}

TEST(ElfImage, RefusesAManifestAboveTheLimit) {
  TinyElf elf;
  elf.manifest.assign(kMaxManifestBytes + 1, 'x');
  auto image = read_elf(elf.bytes());
  ASSERT_FALSE(image.ok());
  EXPECT_NE(image.error().find("256 KiB"), std::string::npos);
}

TEST(ElfImage, SurvivesEveryTruncation) {
  const std::string whole = TinyElf().bytes();
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(read_elf(std::string_view(whole).substr(0, size)).ok()) << size;
}

TEST(ElfImage, SurvivesRandomDamage) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string whole = TinyElf().bytes();
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = whole;
    for (unsigned flips = 1 + random() % 8; flips > 0; --flips)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    static_cast<void>(read_elf(bytes));  // whatever it says: it stays inside the bytes (sanitizers)
  }
}

}  // namespace
}  // namespace gw::plugin_host
