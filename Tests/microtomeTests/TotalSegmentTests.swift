import Basics
import ImageFormats
import Imaging
import TestSupport
import Testing
import TotalSegmentator

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// `microtome totalseg` as its users meet it: what it says about inputs, options and weights that are not as they should be.
@Suite struct TotalSegmentTests {
  /// A home folder with generated weights, a scan, and a place for results. The reference engine needs no library.
  final class Place {
    let folder: TemporaryFolder
    var scan: String { folder("scan.nii.gz") }
    var output: String { folder("out") }
    var weights: String { folder("weights") }

    /// - Parameter datasets: whose networks are made.
    init(_ datasets: Set<Int> = [527]) throws {
      folder = try TemporaryFolder()
      try TinyWeights(catalogue: .builtIn(), folder: weights).write(datasets: datasets)
      try AtomicFile.write(SyntheticScan().gzipped, to: scan)
    }

    func run(
      _ arguments: [String], name: String? = nil, signal: Program.Signal? = nil, environment: [String: String?] = [:]
    ) throws -> ProgramRun {
      var variables: [String: String?] = [
        "TOTALSEG_HOME_DIR": folder("home"), "TOTALSEG_WEIGHTS_PATH": weights, "MICROTOME_TASKS": nil,
      ]
      variables.merge(environment) { $1 }
      return try Program.run(
        name == nil ? ["totalseg"] + arguments : arguments, name: name, environment: variables, signal: signal)
    }

    /// Runs the task breasts, which has one network of one class.
    func segment(_ options: String..., input: String? = nil, signal: Program.Signal? = nil) throws -> ProgramRun {
      try run(
        ["-i", input ?? scan, "-o", output, "-ta", "breasts", "--engine", "reference"] + options, signal: signal)
    }

    func labels(_ path: String) throws -> LabelMap { try ImageReader.nibabel.readLabels(path).labels }
  }

  // MARK: Images

  @Test func anImageOfSeveralVolumesIsSegmentedWithAWarning() throws {
    let place = try Place()
    var scan = SyntheticScan()
    scan.sizes = [4, Int16(scan.shape.x), Int16(scan.shape.y), Int16(scan.shape.z), 2, 1, 1, 1]
    try AtomicFile.write(Gzip.compress(scan.bytes + scan.bytes.dropFirst(352)), to: place.folder("series.nii.gz"))
    let run = try place.segment(input: place.folder("series.nii.gz"))
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.complaints("warning", "series.nii.gz", "only the first volume is used") == 1)
    #expect(try place.segment(input: place.scan).status == 0)
    #expect(try place.labels(place.output + "/breast.nii.gz").shape == scan.shape)
  }

  /// Content of a file `bad.nii.gz`, and what the message must say.
  static let bad: [(name: String, phrase: String, bytes: @Sendable () throws -> [UInt8])] = [
    (
      "two dimensions", "2 dimensions",
      {
        var scan = SyntheticScan()
        scan.sizes = [2, Int16(scan.shape.x), Int16(scan.shape.y), 1, 1, 1, 1, 1]
        return try scan.gzipped
      }
    ),
    (
      "colours", "colour",
      {
        var scan = SyntheticScan()
        (scan.datatype, scan.bitsPerVoxel) = (128, 24)
        return try Gzip.compress(scan.bytes + scan.bytes)
      }
    ),
    ("truncated", "end early", { Array(try SyntheticScan().gzipped.dropLast(5000)) }),
    ("text", "not a NIfTI file", { Array(repeating: UInt8(ascii: "x"), count: 1000) }),
    ("empty", "is empty", { [] }),
  ]

  @Test(arguments: bad.indices) func aBadImageIsNamed(_ index: Int) throws {
    let bad = Self.bad[index]
    let place = try Place()
    try AtomicFile.write(bad.bytes(), to: place.folder("bad.nii.gz"))
    let run = try place.segment(input: place.folder("bad.nii.gz"))
    #expect(run.status == 65, "\(bad.name): \(run.errors)")
    #expect(run.complaints("bad.nii.gz", bad.phrase) == 1, "\(bad.name): \(run.errors)")
    #expect(!Path.exists(place.output))
  }

  @Test func inputsThatAreNoImagesAreNamed() throws {
    let place = try Place()
    let missing = try place.segment(input: place.folder("nothing.nii.gz"))
    #expect(missing.status == 66 && missing.complaints("nothing.nii.gz", "does not exist") == 1)
    for name in ["folder/IM0001", "folder/IM0002.dcm", "series.zip", "image.dcm"] {
      let path = place.folder(name)
      try Path.makeFolder(Path.split(path).folder)
      try AtomicFile.write([UInt8](repeating: 0, count: 128) + Array("DICM".utf8), to: path)
    }
    try Path.makeFolder(place.folder("empty"))
    for name in ["folder", "series.zip", "image.dcm", "empty"] {
      let run = try place.segment(input: place.folder(name))
      #expect(run.status == 65, "\(name): \(run.errors)")
      #expect(run.complaints(place.folder(name), "NIfTI") == 1 && run.errors.contains("dcm2niix"), "\(run.errors)")
    }
    #expect(!Path.exists(place.output))
  }

  @Test func oneDamagedImageDoesNotStopTheOthers() throws {
    let place = try Place()
    try Path.makeFolder(place.folder("scans"))
    for name in ["a", "c"] { try AtomicFile.write(SyntheticScan().gzipped, to: place.folder("scans/\(name).nii.gz")) }
    try AtomicFile.write([1, 2, 3], to: place.folder("scans/b.nii.gz"))
    try AtomicFile.write([1, 2, 3], to: place.folder("scans/notes.txt"))
    let run = try place.segment("--ml", "--statistics", input: place.folder("scans"))
    #expect(run.status == 65)
    #expect(run.complaints("b: failed", "b.nii.gz") == 1 && run.complaints("1 of 3 cases failed") == 1, "\(run.errors)")
    #expect(
      try Path.list(place.output) == ["a.nii.gz", "a_statistics.json", "c.nii.gz", "c_statistics.json"])
    let masks = try place.segment("-q", input: place.folder("scans"))
    #expect(masks.output == "" && masks.complaints("b: failed") == 1)
    #expect(try Path.list(place.output + "/a") == ["breast.nii.gz"])
  }

  // MARK: Weights

  @Test func missingWeightsAreComplainedAboutFirst() throws {
    let place = try Place([])
    // The image is bad, but that is not what the user has to see to first.
    try AtomicFile.write([1, 2, 3], to: place.folder("bad.nii.gz"))
    let run = try place.segment(input: place.folder("bad.nii.gz"))
    #expect(run.status == 66)
    #expect(run.complaints("the weights of Dataset527", "are not installed", place.weights) == 1, "\(run.errors)")
    #expect(run.errors.contains("microtome weights download breasts"))
    #expect(run.errors.contains("microtome weights import FILE.zip"))
    #expect(run.errors.contains("copy the folder to \(place.weights)/Dataset527"))
    #expect(run.complaints("bad.nii.gz") == 0)
  }

  /// What helps a task is needed as well: rough models, also those of rough models, and models of later steps.
  @Test(arguments: [
    ("teeth", [113, 115], "Dataset298"), ("vertebrae_pp_refined", [803], "Dataset305"),
    ("liver_vessels", [8], "Dataset298"), ("lung_vessels", [117, 298], "Dataset297"),
  ])
  func missingHelpersAreComplainedAboutFirst(task: String, datasets: [Int], missing: String) throws {
    let place = try Place(Set(datasets))
    let run = try place.run(["-i", place.scan, "-o", place.output, "-ta", task, "--engine", "reference"])
    #expect(run.status == 66 && run.complaints(missing, "not installed") == 1, "\(run.errors)")
    #expect(!run.output.contains("engine:"))
  }

  @Test func incompleteWeightsAreNamed() throws {
    let place = try Place()
    let source = try TaskCatalogue.builtIn().dataset(527)
    let dataset = Path.join(place.weights, source.folder)
    let model = Path.join(dataset, try #require(Path.list(dataset).first))
    try AtomicFile.write([1], to: model + "/fold_0/checkpoint_final.pth")
    let damaged = try place.segment()
    #expect(damaged.status == 65 && damaged.complaints("checkpoint_final.pth") == 1, "\(damaged.errors)")
    Path.removeTree(model + "/fold_0")
    let half = try place.segment()
    #expect(half.status == 66 && half.complaints("incomplete", "fold_0/checkpoint_final.pth is missing") == 1)
    Path.removeTree(model)
    let other = try place.segment()
    #expect(other.status == 66 && other.complaints("configuration are missing from Dataset527") == 1, "\(other.errors)")
  }

  @Test func licensedTasksWantANumber() throws {
    let place = try Place([303])
    let options = ["-i", place.scan, "-o", place.output, "-ta", "face", "--engine", "reference"]
    let refused = try place.run(options)
    #expect(refused.status == 64 && refused.complaints("the task face needs a licence", "license-academic") == 1)
    let wrong = try place.run(options + ["-l", "bca_1"])
    #expect(wrong.status == 64 && wrong.complaints("bca_1 is no licence number") == 1, "\(wrong.errors)")
    #expect(try place.run(options + ["-l", "aca_12345678901234"]).status == 0)
    #expect(try place.run(options).status == 0)
    #expect(try Path.list(place.output) == ["face.nii.gz"])
  }

  // MARK: Options

  static let misused: [(options: [String], phrases: [String])] = [
    (["-ta", "liver_vesels"], ["no task called liver_vesels", "did you mean liver_vessels"]),
    (["-ta", "total", "-rs", "livr"], ["no class called livr", "did you mean liver"]),
    (["-ta", "teeth", "--fast"], ["the task teeth has no fast variant"]),
    (["-ta", "breasts", "-rs", "breast"], ["cannot be restricted", "--roi_subset works with tasks"]),
    (["-ta", "total", "-sl"], ["--save_lowres needs --fast or --fastest"]),
    (["-ta", "total", "--fast", "-sl", "-rs", "liver"], ["--save_lowres cannot be combined"]),
    (["-ta", "total", "--fast", "-sl", "-bs"], ["--save_lowres cannot be combined"]),
    (["-ta", "breasts", "-ms", "small"], ["no small networks"]),
    (["-ta", "breasts", "-ro", "6"], ["6"]), (["-ta", "breasts", "-rmb", "0"], ["above 0"]),
    (["-ta", "breasts", "--preview"], ["--preview is not available"]),
    (["-ta", "breasts", "--radiomics"], ["--radiomics is not available"]),
    (["-ta", "breasts", "--report", "r.json"], ["--report is not available"]),
    (["-ta", "breasts", "-ot", "dicom_seg"], ["the output type dicom_seg is not available"]),
    (["-ta", "breasts", "-ot", "nifti", "dicom"], ["the output type dicom is not available"]),
    (["-ta", "breasts", "--ml"], ["with --ml the output is one file"]),
    (["-ta", "breasts", "--hoo"], ["--hoo"]),
  ]

  @Test(arguments: misused.indices) func misuseIsRefusedBeforeAnyWork(_ index: Int) throws {
    let misuse = Self.misused[index]
    let place = try Place([])
    let run = try place.run(["-i", place.scan, "-o", place.output, "--engine", "reference"] + misuse.options)
    #expect(run.status == 64, "\(misuse.options): \(run.status) \(run.errors)")
    for phrase in misuse.phrases { #expect(run.errors.contains(phrase), "\(run.errors)") }
    #expect(!Path.exists(place.output))
  }

  @Test func outputsThatCannotBeWrittenAreNamed() throws {
    let place = try Place()
    let nowhere = try place.run(["-i", place.scan, "-ta", "breasts", "--engine", "reference"])
    #expect(nowhere.status == 64 && nowhere.complaints("no output was given") == 1)
    let statistics = try place.run(["-i", place.scan, "-ta", "breasts", "--engine", "reference", "-ss", "-s"])
    #expect(statistics.status == 64, "\(statistics.errors)")
    let nothing = try place.run(["-o", place.output, "-ta", "breasts"])
    #expect(nothing.status == 64 && nothing.complaints("no image was given") == 1)
    try AtomicFile.write([1], to: place.output)
    let file = try place.segment()
    #expect(file.status == 73 && file.complaints(place.output) >= 1, "\(file.errors)")
    #expect(try Path.read(place.output) == [1])
  }

  @Test func statisticsWithoutASegmentation() throws {
    let place = try Place()
    let path = place.folder("s.json")
    let run = try place.run(
      ["-i", place.scan, "-ta", "breasts", "--engine", "reference", "-ss", "-s", path, "-sii", "-sx", "-sa", "median"])
    #expect(run.status == 0 && run.output.contains(path), "\(run.errors)")
    #expect(try JSON.read(path)["breast"]?["n_voxels"]?.int ?? 0 > 0)
  }

  @Test(arguments: ["gpu", "gpu:1", "cpu", "mps", "GPU"]) func everyUsualDeviceIsAccepted(_ device: String) throws {
    let place = try Place()
    #expect(try place.segment("-d", device).status == 0)
    let unknown = try place.segment("-d", "tpu")
    #expect(unknown.status == 69 && unknown.complaints("no device \"tpu\"") == 1)
  }

  @Test func quietIsQuiet() throws {
    let place = try Place()
    let run = try place.segment("-q")
    #expect(run.status == 0 && run.output == "" && run.errors == "")
  }

  // MARK: Names

  @Test func theNamesOfTheToolsItReplacesWork() throws {
    let place = try Place([527, 297])
    let total = "/usr/local/bin/TotalSegmentator"
    let common = ["-i", place.scan, "-o", place.output, "-ta", "breasts", "--engine", "reference"]
    // Options without their optional values, abbreviations, and what changes nothing here.
    let run = try place.run(
      ["--statistics"] + common + ["-rmb", "--stats_incl", "--device", "cpu", "-nr", "1", "--nr_thr_sav", "1"],
      name: total)
    #expect(run.status == 0, "\(run.errors)")
    #expect(try Path.list(place.output) == ["breast.nii.gz", "statistics.json"])
    let last = try place.run(common + ["--stats_agg=median", "-s"], name: total)
    #expect(last.status == 0, "\(last.errors)")
    let tasks = try place.run(["-lt"], name: total)
    #expect(tasks.status == 0 && tasks.output.contains("vertebrae_pp_refined"))
    let classes = try place.run(["-lc"], name: total)
    #expect(classes.status == 0 && classes.output.contains("  5  liver\n"))
    #expect(try place.run(["--list-classes", "breasts"], name: total).output.contains("1  breast\n"))
    let (version, own) = try (place.run(["--version"], name: total), Program.run(["--version"]))
    #expect(version.status == 0 && version.output == own.output)

    try Path.makeFolder(place.folder("scans"))
    try AtomicFile.write(SyntheticScan().gzipped, to: place.folder("scans/a.nii.gz"))
    let fast = try place.run(
      [
        "totalseg", "-i", place.folder("scans"), "-o", place.folder("fast"), "--task", "breasts", "--use_softmax",
        "--weights_dir", place.weights, "--engine", "reference",
      ], name: "/usr/local/bin/FastSegmentator", environment: ["TOTALSEG_WEIGHTS_PATH": nil])
    #expect(fast.status == 0, "\(fast.errors)")
    #expect(try Path.list(place.folder("fast")) == ["a.nii.gz"])
    let long = try place.run(
      [
        "totalseg", "--input_path", place.folder("scans"), "--output_path=" + place.folder("long"), "--task", "breasts",
        "--engine", "reference",
      ], name: "/usr/local/bin/FastSegmentator")
    #expect(long.status == 0, "\(long.errors)")
    #expect(try Path.list(place.folder("long")) == ["a.nii.gz"])
    let fastTasks = try place.run(["totalseg", "--list-tasks"], name: "/usr/local/bin/FastSegmentator")
    #expect(fastTasks.status == 0 && fastTasks.output == tasks.output)
  }

  // MARK: Interruption

  @Test func anInterruptedRunLeavesWholeFilesOnly() throws {
    let place = try Place()
    try Path.makeFolder(place.folder("scans"))
    var scan = SyntheticScan()
    scan.spacing = [3, 3, 3]
    for name in 1...6 { try AtomicFile.write(scan.gzipped, to: place.folder("scans/\(name).nii.gz")) }
    let first = place.output + "/1.nii.gz"
    let run = try place.segment("--ml", input: place.folder("scans"), signal: .interrupt { Path.exists(first) })
    #expect(run.status == 130, "\(run.errors)")
    // It begins anew when it is started again.
    #expect(!run.errors.contains("--continue_prediction"))
    let done = try Path.list(place.output)
    #expect(done.count >= 1 && done.count < 6 && done.allSatisfy { $0.hasSuffix(".nii.gz") && !$0.hasPrefix(".") })
    for name in done { #expect(try place.labels(Path.join(place.output, name)).shape == scan.shape) }
  }
}
