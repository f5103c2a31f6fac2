// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

// Test macros expand to code that has no `unsafe` marks of its own.
let testing: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
]

let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

// Debian has libslirp as a shared library only, so the program around it cannot be static as the others are: scripts/build
// sets CAISSON_STATIC for these and compiles that one by itself.
let isStatic = Context.environment["CAISSON_STATIC"] != nil

func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: "\(name)Tests", dependencies: dependencies, exclude: exclude, swiftSettings: testing)
}

let slirp = Target.executableTarget(
    name: "CaissonSlirp",
    cSettings: [.treatAllWarnings(as: .error)],
    linkerSettings: [.linkedLibrary("slirp"), .linkedLibrary("seccomp")])

let package = Package(
    name: "caisson",
    products: [
        .library(name: "Caisson", targets: ["Caisson"]),
        .executable(name: "caisson", targets: ["CaissonVMM"]),
        .executable(name: "caisson-cli", targets: ["CaissonCLI"]),
        .executable(name: "boot-linux", targets: ["BootLinux"]),
    ] + (isStatic ? [] : [.executable(name: "caisson-slirp", targets: ["CaissonSlirp"])]),
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        .target(name: "CLinux"),
        .systemLibrary(
            name: "CCompression",
            providers: [.apt(["zlib1g-dev", "liblz4-dev", "libzstd-dev", "liblzma-dev"])]),
        .systemLibrary(name: "CFDT", providers: [.apt(["libfdt-dev"])]),
        .systemLibrary(name: "CArchive", providers: [.apt(["libarchive-dev", "libbz2-dev"])]),
        .systemLibrary(name: "CNettle", providers: [.apt(["nettle-dev"])]),
        .target(name: "CURing", linkerSettings: [.linkedLibrary("uring")]),

        module("HostResources", ["CLinux"]),
        module("GuestMemory", ["CLinux"]),
        module("Virtio", ["CLinux", "GuestMemory"]),
        module("KVM", ["CLinux", "GuestMemory", "HostResources"]),
        module("SoftwareKVM", ["CLinux", "KVM", "GuestMemory"]),
        module("Devices", ["CLinux", "GuestMemory", "Virtio"]),
        module("HostIO", ["CLinux", "CURing", "HostResources", system]),
        module("FileSharing", ["CLinux", "HostResources"]),
        module("GuestAgent", []),
        module("Benchmark", []),
        module("LinuxBoot", ["CCompression", "CFDT", "CLinux", "GuestMemory"]),
        module(
            "Caisson",
            [
                "CLinux", "HostResources", "GuestMemory", "KVM", "SoftwareKVM", "Devices", "Virtio", "HostIO",
                "LinuxBoot", "GuestAgent", "FileSharing",
                logging, system,
            ]),
        module("ImageStore", ["CArchive", "CNettle", "CLinux", "HostResources", "HostIO", system]),
        module("CaissonOptions", ["Caisson", "HostIO", "HostResources", logging, system]),
        .executableTarget(
            name: "CaissonVMM",
            dependencies: [
                "Caisson", "HostResources", "CaissonOptions", "CLinux", "GuestAgent", "HostIO", logging, system,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "CaissonCLI",
            dependencies: [
                "Benchmark", "Caisson", "CaissonOptions", "HostIO", "HostResources", "ImageStore", arguments, logging,
                system,
            ],
            swiftSettings: strict),
        .executableTarget(name: "BootLinux", dependencies: ["Caisson", system], swiftSettings: strict),

        .target(
            name: "TestSupport", dependencies: ["CLinux", "GuestMemory", "Virtio"], path: "Tests/TestSupport",
            swiftSettings: testing),
        tests("GuestMemory", ["GuestMemory", "TestSupport"]),
        tests("Virtio", ["Virtio", "GuestMemory", "TestSupport", "CLinux"]),
        tests("KVM", ["KVM", "GuestMemory", "CLinux"]),
        tests("SoftwareKVM", ["SoftwareKVM", "KVM", "GuestMemory", "TestSupport", "CLinux"]),
        tests("Devices", ["Devices", "Virtio", "GuestMemory", "TestSupport", "CLinux"]),
        tests("Benchmark", ["Benchmark", "TestSupport"]),
        tests("FileSharing", ["FileSharing", "HostResources", "TestSupport", "CLinux"]),
        tests("GuestAgent", ["GuestAgent", "HostIO", "TestSupport", "CLinux"]),
        tests("HostIO", ["HostIO", "TestSupport", "CLinux", system]),
        tests("ImageStore", ["ImageStore", "HostIO", "TestSupport", "CLinux", system]),
        tests("LinuxBoot", ["LinuxBoot", "GuestMemory", "TestSupport", "CCompression"]),
        tests(
            "Caisson",
            [
                "Caisson", "CLinux", "GuestAgent", "HostIO", "KVM", "SoftwareKVM", "GuestMemory", "Devices",
                "TestSupport", logging,
                system,
            ]),
        tests(
            "Command",
            [
                "CaissonCLI", "CaissonOptions", "Benchmark", "Caisson", "HostIO", "ImageStore", "TestSupport", "CLinux",
                system,
            ]),
        tests(
            "Live",
            ["Caisson", "KVM", "SoftwareKVM", "GuestMemory", "Devices", "HostIO", "TestSupport", "CLinux", system],
            exclude: ["Repairs/processor.S", "Repairs/processors.S", "Repairs/hostile.S", "Sockets/vsock.c"]),
    ] + (isStatic ? [] : [slirp])
)
