import Basics
import TestSupport
import Testing

@testable import TotalSegmentator

/// Finding and installing weights.
@Suite struct WeightStoreTests {
  let folder: TemporaryFolder
  let store: WeightStore
  let archive: String

  init() throws {
    let folder = try TemporaryFolder()
    self.folder = folder
    archive = folder("phantom.zip")
    store = WeightStore(
      catalogue: try WeightArchive.catalogue(url: "https://example.org/phantom.zip"),
      folders: TotalSegmentatorFolders(
        weights: folder("weights"), environment: { $0 == "HOME" ? folder("home") : nil }))
  }

  private var installer: WeightInstaller { WeightInstaller(store: store) }
  private var source: ModelSource { get throws { try store.catalogue.dataset(901) } }
  private var part: TaskPart {
    get throws { try #require(store.catalogue.task(named: "phantom").standard.parts.first) }
  }
  /// What lies in the folder of weights.
  private var installed: [String] { (try? Path.list(store.folders.weights)) ?? [] }

  private func failure(_ body: () throws -> Void) -> Failure? {
    do {
      try body()
      return nil
    } catch { return error as? Failure }
  }

  @Test func foldersFollowTheEnvironment() {
    func folders(_ weights: String?, _ variables: [String: String]) -> TotalSegmentatorFolders {
      TotalSegmentatorFolders(weights: weights, environment: { variables[$0] })
    }
    #expect(folders(nil, ["HOME": "/u"]).weights == "/u/.totalsegmentator/nnunet/results")
    #expect(folders(nil, ["HOME": "/"]).home == "/tmp/.totalsegmentator")
    #expect(folders(nil, ["HOME": "/u", "TOTALSEG_HOME_DIR": "/t"]).weights == "/t/nnunet/results")
    #expect(folders(nil, ["HOME": "/u", "TOTALSEG_WEIGHTS_PATH": "/w"]).weights == "/w")
    #expect(folders("/x", ["HOME": "/u", "TOTALSEG_WEIGHTS_PATH": "/w"]).weights == "/x")
    #expect(folders("/x", ["HOME": "/u"]).configuration == "/u/.totalsegmentator/config.json")
  }

  @Test func anArchiveIsInstalledAndFound() throws {
    let absent = failure { _ = try store.modelFolder(for: part) }
    let model = "\(store.folders.weights)/\(WeightArchive.dataset)/\(WeightArchive.model)"
    #expect(absent?.kind == .missingInput && absent?.file == model)
    #expect(absent?.hint?.contains("microtome weights download 901") == true)
    #expect(absent?.hint?.contains("fetch https://example.org/phantom.zip elsewhere") == true)
    #expect(try store.state(of: source) == .missing)

    try WeightArchive.write(to: archive)
    #expect(try installer.install(archive: archive) == [store.folders.weights + "/" + WeightArchive.dataset])
    #expect(installed == [WeightArchive.dataset])
    #expect(try store.modelFolder(for: part) == model)
    #expect(try store.folds(of: part, in: model) == [0])
    #expect(try store.state(of: source) == .installed)
    #expect(try store.problems(of: source) == [])
    #expect(failure { _ = try store.modelFolder(for: part, smallModel: true) }?.kind == .usage)
  }

  @Test func foldsAreThoseThatExist() throws {
    try WeightArchive.write(to: archive)
    try installer.install(archive: archive)
    let model = try store.modelFolder(for: part)
    for fold in ["fold_10", "fold_2", "fold_all", "fold_3"] {
      try Path.makeFolder(Path.join(model, fold))
      if fold != "fold_3" { try AtomicFile.write([1], to: Path.join(model, fold) + "/checkpoint_final.pth") }
    }
    var part = try part
    part.folds = nil
    #expect(try store.folds(of: part, in: model) == [0, 2, 10])
    part.folds = [0, 3]
    let missing = failure { _ = try store.folds(of: part, in: model) }
    #expect(missing?.message.contains("fold_3/checkpoint_final.pth is missing") == true)
  }

  @Test(arguments: WeightArchive.files)
  func aHalfUnpackedFolderIsIncomplete(missing: String) throws {
    try WeightArchive.write(to: archive)
    try installer.install(archive: archive)
    let model = try store.modelFolder(for: part)
    Path.removeTree(Path.join(model, missing))
    let problem = failure { _ = try store.modelFolder(for: part) }
    #expect(problem?.kind == .missingInput && problem?.message.contains("incomplete") == true)
    #expect(problem?.message.contains(missing) == true && problem?.file == model)
    #expect(try store.state(of: source) == .incomplete)
    #expect(try store.problems(of: source).contains { $0.contains("\(missing) is missing") })
  }

  @Test func damageIsFoundWithAndWithoutAManifest() throws {
    try WeightArchive.write(to: archive)
    try installer.install(archive: archive)
    let checkpoint = try store.modelFolder(for: part) + "/fold_0/checkpoint_final.pth"
    var bytes = try Path.read(checkpoint)
    bytes[bytes.count / 2] ^= 1
    try AtomicFile.write(bytes, to: checkpoint)
    #expect(try store.problems(of: source).first?.contains("is damaged: its SHA-256") == true)
    Path.removeTree(WeightManifest.path(in: store.folder(of: try source)))
    #expect(try store.problems(of: source).first?.contains("is damaged (its checksum is wrong)") == true)
    try AtomicFile.write(Array(bytes.prefix(1000)), to: checkpoint)
    #expect(try !store.problems(of: source).isEmpty)
  }

  @Test func otherArchivesOfTheSameFormAreUnderstood() throws {
    try WeightArchive.write(
      to: archive, prefix: "nnunet/results/",
      extra: [
        ("__MACOSX/Dataset901_phantom/._x", [1]), ("nnunet/results/Dataset901_phantom/.DS_Store", [1]),
        ("README.txt", [1]), ("lightning_models/ct_all_ext_splitOrig_noise_can1_huber/version_0/a.ckpt", [1]),
      ])
    #expect(try installer.install(archive: archive).count == 2)
    #expect(installed == ["Dataset901_phantom", "lightning_models"])
    #expect(try store.state(of: store.catalogue.source("body_stats_ct")) == .installed)
    let statistics = try store.catalogue.source("body_stats_ct")
    #expect(try store.problems(of: statistics) == [])
    try AtomicFile.write([2], to: store.folder(of: statistics) + "/version_0/a.ckpt")
    #expect(try store.problems(of: statistics).first?.contains("a.ckpt is damaged") == true)
  }

  @Test func severalDatasetsComeTogetherOrNotAtAll() throws {
    let plans = "Dataset904_other/\(WeightArchive.model)/plans.json"
    try WeightArchive.write(to: archive, extra: [(plans, Array("{}".utf8))])
    let problem = failure { try installer.install(archive: archive) }
    #expect(problem?.kind == .badInput && problem?.message.contains("has no dataset.json") == true)
    #expect(installed == [])
    let whole = try WeightArchive.files.map { file in
      ("Dataset904_other/\(WeightArchive.model)/\(file)", try WeightArchive.content(file))
    }
    try WeightArchive.write(to: archive, extra: whole)
    #expect(try installer.install(archive: archive).count == 2)
    #expect(installed == ["Dataset901_phantom", "Dataset904_other"])
  }

  @Test(arguments: ["../evil", "/tmp/evil", "Dataset901_phantom/../../evil"])
  func namesThatLeaveTheFolderAreRefused(name: String) throws {
    try WeightArchive.write(to: archive, extra: [(name, [1])])
    let problem = failure { try installer.install(archive: archive) }
    #expect(problem?.kind == .badInput && problem?.message.contains("is not allowed") == true)
    #expect(installed == [] && !Path.exists(folder("evil")))
  }

  @Test func aDamagedArchiveLeavesNothingBehind() throws {
    try WeightArchive.write(to: archive)
    let good = try Path.read(archive)
    var flipped = good
    flipped[good.count / 2] ^= 0x10
    for bytes in [flipped, Array(good.prefix(good.count / 2)), [], Array("<html>".utf8)] {
      try AtomicFile.write(bytes, to: archive)
      let problem = failure { try installer.install(archive: archive) }
      #expect(problem?.kind == .badInput && problem?.file == archive, "\(String(describing: problem))")
      #expect(installed == [])
    }
    #expect(failure { try installer.install(archive: folder("absent.zip")) }?.kind == .missingInput)
  }

  @Test(arguments: WeightArchive.files)
  func anArchiveThatLacksAFileIsRefused(missing: String) throws {
    try WeightArchive.write(to: archive, without: missing)
    let problem = failure { try installer.install(archive: archive) }
    #expect(problem?.kind == .badInput && problem?.message.contains("\(missing)") == true)
    #expect(installed == [])
  }

  @Test func anArchiveOfOtherThingsIsRefused() throws {
    try WeightArchive.write(to: archive, dataset: "Task901_old")
    #expect(failure { try installer.install(archive: archive) }?.message.contains("holds no weights") == true)
    try WeightArchive.write(to: archive)
    var other = try store.catalogue.dataset(300)
    #expect(
      failure { try installer.install(archive: archive, expecting: other) }?.message
        == "holds Dataset901_phantom, not Dataset300_body_6mm_1559subj")
    other.folder = "x"
    var small = installer
    small.maximumSize = 1 << 20
    #expect(failure { try small.install(archive: archive) }?.message.contains("unpack to more than") == true)
    let catalogue = try WeightArchive.catalogue(url: "https://a.b/", classes: 9)
    let nine = WeightStore(catalogue: catalogue, folders: store.folders)
    #expect(
      failure { try WeightInstaller(store: nine).install(archive: archive) }?.message.contains(
        "finds 8 classes, the catalogue says 9") == true)
    #expect(installed == [])
  }

  @Test func reinstallingReplacesModelsAndKeepsTheRest() throws {
    let note = "\(WeightArchive.dataset)/note.txt"
    try WeightArchive.write(to: archive, extra: [(note, [7])])
    try installer.install(archive: archive)
    try WeightArchive.write(to: archive)
    let dataset = store.folder(of: try source)
    let model = try store.modelFolder(for: part)
    try AtomicFile.write([1], to: dataset + "/mine.txt")
    try AtomicFile.write([1], to: model + "/stray.txt")
    try AtomicFile.write([1, 2], to: model + "/plans.json")
    try installer.install(archive: archive)
    #expect(try store.problems(of: source) == [])
    #expect(Path.exists(dataset + "/mine.txt") && !Path.exists(model + "/stray.txt"))
    #expect(installed == [WeightArchive.dataset])
    // What the second archive did not have is still watched over.
    Path.removeTree(dataset + "/note.txt")
    #expect(try store.problems(of: source) == ["note.txt is missing"])
  }
}
