// SPDX-License-Identifier: Apache-2.0
//
// A filter in Rust, against nothing but the C ABI (gateway/plugin.h): answers 403 to clients whose
// User-Agent holds a word of the configuration. One file, no crate:
//
//   rustc --edition 2021 --crate-type cdylib -O -C panic=abort no_bots.rs -o no_bots.so
use std::ffi::{c_char, c_void, CStr};
use std::ptr::null;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

// ---- What is needed of the ABI, field by field as the headers have it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Str {
    ptr: *const u8,
    len: u64,
}
impl Str {
    const fn new(text: &'static str) -> Str {
        Str { ptr: text.as_ptr(), len: text.len() as u64 }
    }
    unsafe fn bytes(&self) -> &[u8] {
        if self.len == 0 { &[] } else { std::slice::from_raw_parts(self.ptr, self.len as usize) }
    }
}
const OK: i32 = 0;
const CONTINUE: i32 = 0;
const REPLIED: i32 = 2;
const REQUEST: i32 = 0;

#[repr(C)]
struct Host {
    struct_size: u32,
    abi: u32,
    version: Str,
    get_interface: unsafe extern "C" fn(*const Host, *const c_char) -> *mut c_void,
}
#[repr(C)]
struct Plugin {
    struct_size: u32,
    abi: u32,
    manifest: *const u8,
    init: unsafe extern "C" fn(*const Host) -> i32,
    finish: extern "C" fn(),
    get_interface: unsafe extern "C" fn(*const c_char) -> *const c_void,
}
unsafe impl Sync for Plugin {}
type Unused = *const c_void;
#[repr(C)]
struct ConfigApi {
    struct_size: u32,
    get_string: unsafe extern "C" fn(*const c_void, *const c_char, *mut Str) -> i32,
}
#[repr(C)]
struct ExchangeApi {
    struct_size: u32,
    request: Unused,
    set_target: Unused,
    header_at: Unused,
    header_get: unsafe extern "C" fn(*mut c_void, i32, Str, u32, *mut Str) -> i32,
    header_set: Unused,
    header_add: Unused,
    header_remove: Unused,
    status: Unused,
    set_status: Unused,
    alloc: Unused,
    pause: Unused,
    wake: Unused,
    reply: Unused,
    fail: unsafe extern "C" fn(*mut c_void, u32, Str, Str, *const c_void, u32) -> i32,
}
#[repr(C)]
struct InstanceApi {
    struct_size: u32,
    create: unsafe extern "C" fn(*mut c_void, *const c_void, *mut *mut c_void) -> i32,
    destroy: unsafe extern "C" fn(*mut c_void),
    create_part: unsafe extern "C" fn(*mut c_void, *mut c_void, *mut *mut c_void) -> i32,
    destroy_part: extern "C" fn(*mut c_void),
    start: Unused,
    stop: Unused,
}
unsafe impl Sync for InstanceApi {}
#[repr(C)]
struct FilterApi {
    struct_size: u32,
    on_request_head: unsafe extern "C" fn(*mut c_void, *mut c_void, *mut *mut c_void) -> i32,
    others: [Unused; 5],
}
unsafe impl Sync for FilterApi {}

// ---- The manifest, also as the note that is read without loading.
macro_rules! manifest {
    () => {
        "id = 'no_bots'\nversion = '1.0.0'\nabi = '1.0'\nlicence = 'Apache-2.0'\n\
         summary = 'Answers 403 to a word in the User-Agent'\n\
         requires = ['gw.config/1', 'gw.exchange/1']\nprovides = ['gw.instance/1', 'gw.filter/1']\n\
         config.word = { type = 'string', default = 'bot', doc = 'As it is written.' }\n\0"
    };
}
const MANIFEST: &str = manifest!();
#[repr(C, align(4))]
struct Note {
    name_size: u32,
    text_size: u32,
    kind: u32,
    name: [u8; 8],
    text: [u8; MANIFEST.len()],
}
const fn text_bytes() -> [u8; MANIFEST.len()] {
    let mut out = [0; MANIFEST.len()];
    let mut i = 0;
    while i < out.len() {
        out[i] = MANIFEST.as_bytes()[i];
        i += 1;
    }
    out
}
#[used]
#[link_section = ".note.gateway"]
static NOTE: Note =
    Note { name_size: 8, text_size: MANIFEST.len() as u32, kind: 1, name: *b"gateway\0", text: text_bytes() };

// ---- The plugin.
static CONFIG: AtomicPtr<ConfigApi> = AtomicPtr::new(std::ptr::null_mut());
static EXCHANGE: AtomicPtr<ExchangeApi> = AtomicPtr::new(std::ptr::null_mut());

unsafe extern "C" fn create(_: *mut c_void, config: *const c_void, out: *mut *mut c_void) -> i32 {
    let mut word = Str::new("");
    let api = &*CONFIG.load(Relaxed);
    let status = (api.get_string)(config, b"word\0".as_ptr().cast(), &mut word);
    if status == OK {
        *out = Box::into_raw(Box::new(word.bytes().to_vec())).cast();
    }
    status
}
unsafe extern "C" fn destroy(instance: *mut c_void) {
    drop(Box::from_raw(instance.cast::<Vec<u8>>()));
}
unsafe extern "C" fn create_part(instance: *mut c_void, _: *mut c_void, part: *mut *mut c_void) -> i32 {
    *part = instance;
    OK
}
extern "C" fn destroy_part(_: *mut c_void) {}

unsafe extern "C" fn on_request_head(part: *mut c_void, exchange: *mut c_void, _: *mut *mut c_void) -> i32 {
    let word = &*part.cast::<Vec<u8>>();
    let api = &*EXCHANGE.load(Relaxed);
    let mut agent = Str::new("");
    let found = (api.header_get)(exchange, REQUEST, Str::new("User-Agent"), 0, &mut agent) == OK;
    if !found || word.is_empty() || !agent.bytes().windows(word.len()).any(|part| part == &word[..]) {
        return CONTINUE;
    }
    (api.fail)(exchange, 403, Str::new("ACCESS_DENIED"), Str::new(""), null(), 0);
    REPLIED
}

unsafe extern "C" fn init(host: *const Host) -> i32 {
    let get = |id: &[u8]| ((*host).get_interface)(host, id.as_ptr().cast());
    CONFIG.store(get(b"gw.config/1\0").cast(), Relaxed);
    EXCHANGE.store(get(b"gw.exchange/1\0").cast(), Relaxed);
    OK
}
extern "C" fn finish() {}

unsafe extern "C" fn get_interface(id: *const c_char) -> *const c_void {
    static INSTANCE: InstanceApi = InstanceApi {
        struct_size: std::mem::size_of::<InstanceApi>() as u32,
        create,
        destroy,
        create_part,
        destroy_part,
        start: null(),
        stop: null(),
    };
    static FILTER: FilterApi =
        FilterApi { struct_size: std::mem::size_of::<FilterApi>() as u32, on_request_head, others: [null(); 5] };
    match CStr::from_ptr(id).to_bytes() {
        b"gw.instance/1" => (&INSTANCE as *const InstanceApi).cast(),
        b"gw.filter/1" => (&FILTER as *const FilterApi).cast(),
        _ => null(),
    }
}

#[no_mangle]
#[allow(non_upper_case_globals, unknown_lints, private_interfaces)]
pub static gw_plugin_entry: Plugin = Plugin {
    struct_size: std::mem::size_of::<Plugin>() as u32,
    abi: 1 << 16,
    manifest: NOTE.text.as_ptr(),
    init,
    finish,
    get_interface,
};
