{
  "targets": [
    {
      "target_name": "sliding_mmap",
      "sources": [
        "addon/core/commit.cc",
        "addon/core/fault_guard.cc",
        "addon/core/injection.cc",
        "addon/core/inside.cc",
        "addon/core/mapping.cc",
        "addon/core/scan.cc",
        "addon/napi/addon.cc",
        "addon/napi/counting.cc",
        "addon/napi/environment.cc",
        "addon/napi/files.cc",
        "addon/napi/futexes.cc",
        "addon/napi/guard.cc",
        "addon/napi/hot_reads.cc",
        "addon/napi/jobs.cc",
        "addon/napi/locks.cc",
        "addon/napi/mappings.cc",
        "addon/napi/memory.cc",
        "addon/napi/private_views.cc",
        "addon/napi/residency.cc",
        "addon/napi/sources.cc",
        "addon/napi/search.cc"
      ],
      "include_dirs": [
        "addon",
        "<!(node -p \"require('node-addon-api').include_dir\")"
      ],
      "defines": [
        "NAPI_VERSION=8",
        "NAPI_DISABLE_CPP_EXCEPTIONS",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
      ],
      "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++17", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fvisibility=hidden"],
      "conditions": [
        ["OS!='win'", {
          "sources": ["addon/core/fault_handler_posix.cc", "addon/core/os_posix.cc"],
          "defines": ["_FILE_OFFSET_BITS=64", "_GNU_SOURCE"]
        }],
        ["OS=='win'", {
          "sources": [
            "addon/core/fault_handler_win32.cc",
            "addon/core/os_win32.cc",
            "addon/core/space_win32.cc"
          ],
          "defines": ["NOMINMAX", "WIN32_LEAN_AND_MEAN", "_WIN32_WINNT=0x0A00"],
          "msvs_settings": { "VCCLCompilerTool": { "AdditionalOptions": ["/std:c++17", "/utf-8"] } }
        }],
        ["OS=='linux'", {
          "sources": ["addon/core/futex_linux.cc"],
          "libraries": ["-ldl"]
        }, {
          "sources": ["addon/core/futex_portable.cc"]
        }],
        ["OS=='mac'", {
          "xcode_settings": {
            "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
            "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
            "MACOSX_DEPLOYMENT_TARGET": "11.0"
          }
        }]
      ]
    }
  ]
}
