// swift-tools-version: 6.1
import PackageDescription

// Settings are declared once; every Swift target uses them.
let swift: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// A library target of the house. `uses` lists modules from lower layers only; `Scripts/check-layers` enforces it.
func module(_ name: String, uses: [Target.Dependency], resources: [Resource] = []) -> Target {
  .target(name: name, dependencies: uses, resources: resources, swiftSettings: swift)
}

/// The test target that mirrors one module.
func tests(_ name: String, uses: [Target.Dependency] = [], resources: [Resource] = []) -> Target {
  .testTarget(
    name: "\(name)Tests", dependencies: [.byName(name: name), "TestSupport"] + uses, resources: resources,
    swiftSettings: swift)
}

let package = Package(
  name: "microtome",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "microtome", targets: ["microtome"]),
    .library(name: "Microtome", targets: ["NNUNet", "Inference", "Engines", "ImageFormats", "Imaging"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.5.0")
  ],
  targets: [
    // C: system libraries, codecs, vector kernels, and the shim that opens shared libraries at run time.
    .systemLibrary(name: "CLibDeflate", pkgConfig: "libdeflate", providers: [.apt(["libdeflate-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(
      name: "CImageCodecs", linkerSettings: [.linkedLibrary("png16"), .linkedLibrary("tiff")]),
    .target(name: "CKernels", cSettings: [.define("NDEBUG")]),
    .target(name: "CCurl", linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
    .target(name: "COpenVINO", linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
    .target(name: "COnnxRuntime", linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
    .target(name: "CTorch", linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
    .target(name: "CSystem", linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
    // The file becomes part of the program by way of the C source.
    .target(name: "CTaskCatalogue", exclude: ["tasks.json"]),

    module("Basics", uses: ["CKernels", "CLibDeflate", "CZlib", "CSystem"]),
    module("Downloading", uses: ["Basics", "CCurl", "CSystem"]),
    module("Imaging", uses: ["Basics", "CKernels"]),
    module("ImageFormats", uses: ["Imaging", "Basics", "CImageCodecs"]),
    module("Checkpoints", uses: ["Basics", "CKernels"]),
    module("Networks", uses: ["Checkpoints", "Basics"]),
    module(
      "Engines",
      uses: ["Networks", "Checkpoints", "Basics", "CKernels", "CSystem", "COpenVINO", "COnnxRuntime", "CTorch"]),
    module("Inference", uses: ["Engines", "Networks", "Imaging", "Basics", "CKernels"]),
    module("Evaluation", uses: ["Imaging", "Basics"]),
    module("Reporting", uses: ["ImageFormats", "Imaging", "Basics"]),
    module(
      "NNUNet",
      uses: [
        "Reporting", "Evaluation", "Inference", "Engines", "Networks", "Checkpoints", "ImageFormats", "Imaging",
        "Basics",
      ]),
    module(
      "Training",
      uses: [
        "NNUNet", "Reporting", "Evaluation", "Inference", "Engines", "Networks", "Checkpoints", "ImageFormats",
        "Imaging", "Basics", "CKernels", "CSystem",
      ]),
    module(
      "TotalSegmentator",
      uses: [
        "NNUNet", "Inference", "Engines", "Networks", "Checkpoints", "ImageFormats", "Imaging", "Downloading", "Basics",
        "CTaskCatalogue",
      ]),
    module("FastnnUNet", uses: ["NNUNet", "Engines", "ImageFormats", "Imaging", "Basics"]),
    .executableTarget(
      name: "microtome",
      dependencies: [
        "FastnnUNet", "TotalSegmentator", "Training", "NNUNet", "Reporting", "Evaluation", "Inference", "Engines",
        "Networks",
        "Checkpoints",
        "ImageFormats", "Imaging", "Downloading", "Basics",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: swift),

    .target(
      name: "TestSupport", dependencies: ["TotalSegmentator", "Engines", "Checkpoints", "Imaging", "Basics"],
      path: "Tests/TestSupport",
      swiftSettings: swift),
    tests("Basics"),
    tests("Downloading", uses: ["Basics"]),
    tests("Imaging", resources: [.copy("Resources")]),
    tests("ImageFormats", resources: [.copy("Resources")]),
    tests("Checkpoints", resources: [.copy("Resources")]),
    tests("Networks", uses: ["Checkpoints"], resources: [.copy("Resources")]),
    tests("Engines", uses: ["Networks", "Checkpoints", "CKernels"], resources: [.copy("Resources")]),
    tests("Inference", uses: ["Engines", "Networks", "Imaging"]),
    tests("Evaluation", uses: ["Imaging"]),
    tests("Reporting", uses: ["Imaging"]),
    tests(
      "NNUNet", uses: ["Evaluation", "Inference", "Engines", "Networks", "Checkpoints", "ImageFormats", "Imaging"],
      resources: [.copy("Resources")]),
    tests(
      "Training",
      uses: ["NNUNet", "Reporting", "Inference", "Engines", "Networks", "Checkpoints", "Imaging", "Basics"],
      resources: [.copy("Resources")]),
    tests(
      "TotalSegmentator",
      uses: ["NNUNet", "Engines", "Downloading", "Checkpoints", "ImageFormats", "Imaging", "Evaluation", "Basics"],
      resources: [.copy("Resources")]),
    tests("FastnnUNet", uses: ["Imaging", "Basics"], resources: [.copy("Resources")]),
    tests(
      "microtome",
      uses: ["TotalSegmentator", "NNUNet", "Checkpoints", "ImageFormats", "Imaging", "Evaluation", "Basics"],
      resources: [.copy("Resources")]),
  ],
  cLanguageStandard: .gnu11
)
