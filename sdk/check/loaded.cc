// SPDX-License-Identifier: Apache-2.0
#include "check/loaded.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string_view>

namespace gw::check {

namespace {

// The text of the ELF note "gateway" in the library that holds `address`.
struct Note {
  const void* address;
  std::string text;

  static int look(dl_phdr_info* info, std::size_t, void* user) {
    auto& note = *static_cast<Note*>(user);
    bool ours = false;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
      const ElfW(Phdr)& segment = info->dlpi_phdr[i];
      const auto begin = info->dlpi_addr + segment.p_vaddr;
      const auto at = reinterpret_cast<ElfW(Addr)>(note.address);
      ours |= segment.p_type == PT_LOAD && at >= begin && at < begin + segment.p_memsz;
    }
    for (int i = 0; ours && i < info->dlpi_phnum; ++i)
      if (info->dlpi_phdr[i].p_type == PT_NOTE) note.read(*info, info->dlpi_phdr[i]);
    return ours ? 1 : 0;
  }

  void read(const dl_phdr_info& info, const ElfW(Phdr) & segment) {
    const char* at = reinterpret_cast<const char*>(info.dlpi_addr + segment.p_vaddr);
    const char* end = at + segment.p_memsz;
    auto padded = [](std::size_t size) { return (size + 3) / 4 * 4; };
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      ElfW(Nhdr) head;
      std::memcpy(&head, at, sizeof head);
      const char* name = at + sizeof head;
      const char* content = name + padded(head.n_namesz);
      at = content + padded(head.n_descsz);
      if (std::string_view(name, head.n_namesz) != std::string_view("gateway\0", 8)) continue;
      const std::string_view all(content, head.n_descsz);
      text = all.substr(0, all.find('\0'));
    }
  }
};

}  // namespace

Loaded::Loaded(const std::string& file) {
  handle_ = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle_ == nullptr) throw std::runtime_error(std::string("does not load: ") + ::dlerror());
  plugin_ = static_cast<const gw_plugin*>(::dlsym(handle_, "gw_plugin_entry"));
  if (plugin_ == nullptr) throw std::runtime_error("exports no gw_plugin_entry");
  if (plugin_->struct_size < offsetof(gw_plugin, get_interface) + sizeof(void*))
    throw std::runtime_error("its gw_plugin_entry is smaller than the ABI's first edition");
  if (plugin_->abi >> 16 != GW_ABI_MAJOR || plugin_->abi > GW_ABI)
    throw std::runtime_error("was built for another ABI than this program");
  if (plugin_->manifest == nullptr) throw std::runtime_error("has no manifest");
  Note note{plugin_, {}};
  ::dl_iterate_phdr(&Note::look, &note);
  if (note.text != plugin_->manifest)
    throw std::runtime_error("its manifest is not in the file's note: use GW_PLUGIN_MANIFEST");
  settings::Complaints complaints;
  manifest_ = settings::parse_manifest(plugin_->manifest, "manifest", complaints);
  if (!manifest_) throw std::runtime_error(complaints.text());
}

Loaded::~Loaded() {
  if (handle_ != nullptr) ::dlclose(handle_);
}

bool is_mapped(const std::string& file) {
  void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  if (handle != nullptr) ::dlclose(handle);
  return handle != nullptr;
}

}  // namespace gw::check
