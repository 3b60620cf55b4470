"""What is published about the binary versions of CIFAR-10 and CIFAR-100: files, records, checksums, classes.

Source: A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009) and the page of the
sets, https://www.cs.toronto.edu/~kriz/cifar.html, which gives the layout of a record and the MD5 of each
archive. The SHA-256 of the files inside are those that other readers of the sets check.
"""

from dataclasses import dataclass

PIXEL_BYTES = 3 * 32 * 32

MIRRORS = (
    "https://www.cs.toronto.edu/~kriz/",
    "https://cave.cs.toronto.edu/kriz/",
)
"""Places of the archives, tried in this order: the official page and where it redirects to."""


@dataclass(frozen=True)
class CifarFile:
    """One file of records.

    Parameters
    ----------
    name : str
        File name without a folder.
    records : int
        Number of images in it.
    sha256 : str
        Published SHA-256 of its bytes, 64 hexadecimal digits.
    """

    name: str
    records: int
    sha256: str


@dataclass(frozen=True)
class CifarLayout:
    """Where the bytes of one set are and what they mean.

    A file is a row of records without header; a record is ``len(label_classes)`` label bytes, then 3072
    pixels: 1024 red, 1024 green, 1024 blue, each plane row by row from the top.

    Parameters
    ----------
    name, label : str
        Short name and display name of the set.
    folder, archive : str
        Name of the folder that holds the files, and of the archive that holds the folder.
    archive_bytes : int
        Size of the archive.
    archive_md5 : str
        Published MD5 of the archive, 32 hexadecimal digits.
    train_files : tuple of CifarFile
        The files of the training set, in order.
    test_file : CifarFile
        The file of the test set.
    label_classes : tuple of int
        For each label byte of a record, how many values are allowed. The last label byte is the class.
    classes : tuple of str
        Names of the classes.
    mean, std : tuple of float
        Mean and standard deviation per channel of the training pixels scaled to [0, 1], as commonly used.
    """

    name: str
    label: str
    folder: str
    archive: str
    archive_bytes: int
    archive_md5: str
    train_files: tuple[CifarFile, ...]
    test_file: CifarFile
    label_classes: tuple[int, ...]
    classes: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def files(self) -> tuple[CifarFile, ...]:
        """The training files, then the test file."""
        return (*self.train_files, self.test_file)

    @property
    def record_bytes(self) -> int:
        """Bytes of one record: the label bytes and the pixels."""
        return len(self.label_classes) + PIXEL_BYTES


CIFAR10 = CifarLayout(
    name="cifar10",
    label="CIFAR-10",
    folder="cifar-10-batches-bin",
    archive="cifar-10-binary.tar.gz",
    archive_bytes=170_052_171,
    archive_md5="c32a1d4ab5d03f1284b67883e8d87530",
    train_files=(
        CifarFile("data_batch_1.bin", 10_000, "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
        CifarFile("data_batch_2.bin", 10_000, "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
        CifarFile("data_batch_3.bin", 10_000, "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
        CifarFile("data_batch_4.bin", 10_000, "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
        CifarFile("data_batch_5.bin", 10_000, "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
    ),
    test_file=CifarFile("test_batch.bin", 10_000, "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
    label_classes=(10,),
    classes=tuple("airplane automobile bird cat deer dog frog horse ship truck".split()),
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2023, 0.1994, 0.2010),
)

CIFAR100 = CifarLayout(
    name="cifar100",
    label="CIFAR-100",
    folder="cifar-100-binary",
    archive="cifar-100-binary.tar.gz",
    archive_bytes=168_513_733,
    archive_md5="03b5dce01913d631647c71ecec9e9cb8",
    train_files=(CifarFile("train.bin", 50_000, "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29"),),
    test_file=CifarFile("test.bin", 10_000, "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a"),
    label_classes=(20, 100),  # the superclass, then the class
    classes=tuple(
        """apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
        camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
        dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
        leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid
        otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray
        road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
        sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
        wardrobe whale willow_tree wolf woman worm""".split()
    ),
    mean=(0.5071, 0.4867, 0.4408),
    std=(0.2675, 0.2565, 0.2761),
)
